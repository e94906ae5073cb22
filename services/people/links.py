"""One-time sign-in links: for people without a password, and for the very first person at a new desk."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.errors import Unauthenticated
from services.ids import new_token, token_hash
from services.models import SignInLink, User, WebSession, now

VALID_HOURS = 24
# A link of the first start has no date: it ends with the first session that anybody opens.
_NO_DATE = datetime(9999, 1, 1, tzinfo=UTC)


def add_link(session: AsyncSession, user_id: UUID, *, first_start: bool = False) -> str:
    """Makes a link's token in the caller's transaction. Valid once, for 24 hours, or as the first start's is."""
    token = new_token("link")
    expires = _NO_DATE if first_start else now() + timedelta(hours=VALID_HOURS)
    session.add(SignInLink(token_hash=token_hash(token), user_id=user_id, expires_at=expires))
    return token


def link_path(token: str, then: str | None = None) -> str:
    """The page that the link leads to, and the one after it."""
    return f"/login?link={token}" + (f"&next={quote(then, safe='')}" if then else "")


async def use_link(session: AsyncSession, token: str) -> User:
    """Uses a link up, in the caller's transaction; of two that come at once, one wins.

    Raises:
        Unauthenticated: no such link, or used, or too old.
    """
    change = (
        sa.update(SignInLink)
        .where(
            col(SignInLink.token_hash) == token_hash(token.encode("utf-8", "replace").decode()),
            col(SignInLink.used_at).is_(None),
            col(SignInLink.expires_at) > db_now(),
        )
        .values(used_at=db_now())
        .returning(col(SignInLink.user_id))
    )
    user_id = (await session.scalars(change, execution_options={"synchronize_session": False})).one_or_none()
    if user_id is None:
        raise Unauthenticated("This sign-in link was used already, or is too old. Ask for a new one.")
    return await session.get_one(User, user_id)


async def end_links(session: AsyncSession, user_id: UUID, *, but_first: bool = False) -> None:
    """Ends a user's links that nobody has used, in the caller's transaction.

    `but_first` spares the link of the first start: it was printed to whoever runs the desk, who may do everything.
    """
    unused = sa.update(SignInLink).where(
        col(SignInLink.user_id) == user_id, col(SignInLink.used_at).is_(None)
    )
    if but_first:
        unused = unused.where(col(SignInLink.expires_at) < _NO_DATE)
    await session.execute(unused.values(used_at=db_now()), execution_options={"synchronize_session": False})


async def end_first_links(session: AsyncSession) -> None:
    """Ends links of the first start that nobody has used: somebody is in."""
    unused = sa.update(SignInLink).where(
        col(SignInLink.used_at).is_(None), col(SignInLink.expires_at) >= _NO_DATE
    )
    await session.execute(unused.values(used_at=db_now()), execution_options={"synchronize_session": False})


async def nobody_was_ever_in(session: AsyncSession) -> bool:
    """Whether no session was ever opened and nobody could open one without a link."""
    evidence = (
        sa.select(col(WebSession.token_hash)).limit(1),
        sa.select(col(SignInLink.token_hash)).where(col(SignInLink.used_at).is_not(None)).limit(1),
        sa.select(col(User.email)).where(col(User.password_hash).is_not(None)).limit(1),
    )
    return not any([(await session.scalars(query)).first() for query in evidence])
