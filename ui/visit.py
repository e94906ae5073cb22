"""One open page: who looks at which workspace. The actor is resolved again at every event, so that a session that was
revoked or a role that was taken away ends what the page may do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.desk import Desk
from services.errors import JobNotFound, Unauthenticated
from services.jobs import jobs
from services.people import people, sessions
from services.people.access import Actor
from services.people.people import Seat
from ui.addresses import absolute
from ui.components.browser_notices import are_wanted
from ui.job_views import JobViews
from ui.live import LiveBridge

__all__ = ["Unauthenticated", "Visit", "Web", "enter", "enter_for_job", "local_path", "to_sign_in"]


@dataclass(frozen=True)
class Web:
    """What the pages of this process share."""

    desk: Desk
    live: LiveBridge
    views: JobViews


@dataclass
class Visit:
    """A signed-in person on a page. `actor` is as of the last look; `renew` looks again."""

    web: Web
    cookie: str | None
    actor: Actor
    seats: Sequence[Seat]
    address: str
    """Path and query of the page, to come back to after signing in."""
    base_url: str = field(default="")
    """Where the browser has this page from."""
    chosen: bool = field(default=False)
    """Whether the address names the workspace."""
    tells_browser: bool = field(default=False)
    """Whether notifications are switched on in the browser that it comes from."""

    @property
    def desk(self) -> Desk:
        """The parts that services work with."""
        return self.web.desk

    async def renew(self) -> Actor:
        """Who the person is now.

        Raises:
            Unauthenticated: the session has ended.
            NotFound: no member of this workspace any more.
        """
        self.actor = await people.resolve_session(self.desk, self.cookie, self.actor.workspace_slug)
        return self.actor

    def link(self, path: str, **query: str) -> str:
        """An address in this workspace."""
        words = {**({"w": self.actor.workspace_slug} if len(self.seats) > 1 else {}), **query}
        return f"{path}?{urlencode(words)}" if words else path

    def absolute(self, path: str) -> str:
        """The whole address of a path, for a link that is handed on."""
        return absolute(self.desk.settings, self.base_url, path)


async def enter(web: Web, request: Request, *, workspace: str | None = None) -> Visit:
    """The visit that a request begins, in the workspace that the address names (`w`), or the one looked at last.

    Raises:
        Unauthenticated: not signed in.
        NotFound: not a member of that workspace.
    """
    cookie = request.cookies.get(sessions.COOKIE)
    slug = workspace or request.query_params.get("w") or None
    actor = await people.resolve_session(web.desk, cookie, slug)
    if slug is not None:
        await _remember(web, cookie, actor)
    return Visit(
        web=web,
        cookie=cookie,
        actor=actor,
        seats=await people.workspaces_of(web.desk, actor.user_id),
        address=_address(request),
        base_url=str(request.base_url),
        chosen=slug is not None,
        tells_browser=are_wanted(request.cookies),
    )


async def enter_for_job(web: Web, request: Request, job_id: UUID) -> Visit:
    """The visit to a job: in the workspace that the address names, or else in the person's workspace that has the job.

    Raises:
        Unauthenticated: not signed in.
        JobNotFound, NotFound: no such job in any workspace of the person's, or not theirs to see.
        JobReplaced: another took its place.
    """
    visit = await enter(web, request)
    try:
        await jobs.get_job(web.desk, visit.actor, job_id)
    except JobNotFound:
        if visit.chosen:
            raise
    else:
        return visit
    for seat in visit.seats:
        if seat.workspace_id == visit.actor.workspace_id:
            continue
        actor = await people.resolve_session(web.desk, visit.cookie, seat.slug)
        seen = await jobs.read_jobs(web.desk, actor, [job_id])
        if seen or await jobs.replacements(web.desk, actor, [job_id]):
            return await enter(web, request, workspace=seat.slug)
    raise JobNotFound


def to_sign_in(request: Request) -> Response:
    """Sends somebody who is not signed in to the sign-in page, and back afterwards."""
    return RedirectResponse(f"/login?next={quote(_address(request), safe='')}", status_code=303)


def local_path(target: str | None) -> str:
    """`target` where it is a path of ours, else `/`: a sign-in page must never send people elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    # Browsers drop control characters and read a backslash as a slash.
    if "\\" in target or any(ord(character) < 32 for character in target):
        return "/"
    return target


async def _remember(web: Web, cookie: str | None, actor: Actor) -> None:
    now = await people.resolve_session(web.desk, cookie)
    if now.workspace_id != actor.workspace_id:
        await sessions.remember_workspace(web.desk, cookie, actor.workspace_id)


def _address(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
