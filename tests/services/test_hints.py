"""Hints: whom they concern, and that they go for good."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.desk import Desk
from services.people import hints
from services.people.hints import Hint
from services.vocabulary import Role
from tests.support.desks import a_person, open_desk


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def test_nobody_is_told_of_what_they_may_not_do(desk: Desk) -> None:
    told = {role: await hints.pending(desk, await a_person(desk, role)) for role in Role}
    member = [Hint.WELCOME, Hint.FAILURE, Hint.SELECTION]
    assert told == {
        Role.ADMIN: list(Hint), Role.OPERATOR: list(Hint), Role.MEMBER: member, Role.VIEWER: [Hint.WELCOME],
    }  # fmt: skip


async def test_one_goes_for_its_person_for_good(desk: Desk) -> None:
    dana, mem = await a_person(desk), await a_person(desk, Role.MEMBER)
    await asyncio.gather(*(hints.dismiss(desk, dana, Hint.WELCOME) for _ in range(3)))
    assert Hint.WELCOME not in await hints.pending(desk, dana)
    assert Hint.WELCOME in await hints.pending(desk, mem)
    await hints.show_again(desk, dana)
    assert await hints.pending(desk, dana) == list(Hint)
