"""A workspace's secret for webhooks: told once, encrypted, for admins."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.errors import Forbidden
from services.models import AuditEntry, Workspace
from services.notifications.sealing import Unsealable
from services.people import webhook_secret
from services.settings import Settings
from services.vocabulary import Role
from tests.support.desks import a_person, open_desk


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def test_it_is_made_replaced_and_taken_away(desk: Desk) -> None:
    dana, eve = await a_person(desk), await a_person(desk, workspace="elsewhere")
    assert await webhook_secret.made(desk, dana) is None
    assert await webhook_secret.of_workspace(desk, dana.workspace_id) is None
    first = await webhook_secret.make(desk, dana)
    second = await webhook_secret.make(desk, dana)
    assert first != second
    assert second.startswith("whsec_")
    assert await webhook_secret.of_workspace(desk, dana.workspace_id) == second
    told = await webhook_secret.made(desk, dana)
    assert told is not None
    assert told.by == dana.name
    assert await webhook_secret.of_workspace(desk, eve.workspace_id) is None
    async with desk.db.read() as session:
        stored = (await session.execute(sa.select(Workspace.__table__))).all()  # type: ignore[attr-defined]
        entries = (await session.scalars(sa.select(AuditEntry).order_by(col(AuditEntry.id)))).all()
    for secret in (first, second, second.removeprefix("whsec_")):
        assert secret not in repr(stored) + repr([entry.data for entry in entries])
    await webhook_secret.remove(desk, dana)
    await webhook_secret.remove(desk, dana)
    assert await webhook_secret.of_workspace(desk, dana.workspace_id) is None
    assert [entry.action for entry in entries] == ["webhooks.secret"] * 2


async def test_another_key_does_not_read_it(desk: Desk, tmp_path: Path) -> None:
    dana = await a_person(desk)
    await webhook_secret.make(desk, dana)
    settings = Settings(data_dir=tmp_path, secret_key="another one", _env_file=None)
    with pytest.raises(Unsealable):
        await webhook_secret.of_workspace(replace(desk, settings=settings), dana.workspace_id)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.MEMBER, Role.VIEWER])
async def test_only_admins_have_to_do_with_it(desk: Desk, role: Role) -> None:
    who = await a_person(desk, role)
    for call in (webhook_secret.made, webhook_secret.make, webhook_secret.remove):
        with pytest.raises(Forbidden):
            await call(desk, who)
