"""What a search could go on with, on real rows of both databases."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.desk import Desk
from services.errors import Invalid
from services.jobs.completion import complete
from services.jobs.search import FIELDS, conditions
from services.people.access import Actor
from services.vocabulary import Role, Status
from tests.support.batches import ended_jobs
from tests.support.desks import a_kind, a_person, open_desk


@dataclass
class Desks:
    desk: Desk
    dana: Actor
    mem: Actor

    async def offered(self, text: str, at: int | None = None, who: Actor | None = None) -> list[str]:
        """The searches that taking each option would make."""
        found = await complete(self.desk, who or self.dana, text, at)
        return [text[: found.start] + option.text + text[found.end :] for option in found.options]


@pytest.fixture
async def house(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desks]:
    kinds = [a_kind(name) for name in ("video.process", "video.download", "resume.analyse")]
    async with open_desk(database_url, redis_url, tmp_path, *kinds) as desk:
        dana, mem = await a_person(desk, name="dana"), await a_person(desk, Role.MEMBER, name="mem")
        await a_person(desk, name="mara", workspace="elsewhere")
        await ended_jobs(desk, dana, 2, "video.process")
        await ended_jobs(desk, mem, 1, "old.kind", Status.COMPLETED)
        yield Desks(desk, dana, mem)


OFFERED = {
    "": [f"{field}:" for field in FIELDS],
    "st": ["status:"],
    "-sta": ["-status:"],
    "ffmpeg ki": ["ffmpeg kind:"],
    "ffmpeg": [],
    "status:f": ["status:failed"],
    "STATUS:time": ["status:timeout"],
    "status:failed": [],
    "status:failed,ti": ["status:failed,timeout"],
    "-status:failed,ti": ["-status:failed,timeout"],
    "kind:": ["kind:video.process", "kind:old.kind", "kind:resume.analyse", "kind:video.download"],
    "kind:video": ["kind:video.process", "kind:video.download"],
    "type:tra": ["type:transient"],
    "owner:": ["owner:me", "owner:dana@example.org", "owner:mem@example.org"],
    "owner:mar": [],
    "age:<3": ["age:<3m", "age:<3h", "age:<3d", "age:<3w"],
    "age:>2d": [],
    "attempts:>": ["attempts:>0", "attempts:>1", "attempts:>2"],
    'error:"no': [],
    "no.such:x": [],
    "\x00": [],
}


async def test_what_is_offered(house: Desks) -> None:
    assert {text: await house.offered(text) for text in OFFERED} == OFFERED


async def test_what_is_offered_is_a_search(house: Desks) -> None:
    for field in FIELDS:
        for text in await house.offered(f"{field}:"):
            try:
                conditions(text, house.dana)
            except Invalid as mistake:
                pytest.fail(f"{text}: {mistake}")


async def test_in_the_middle_the_term_at_the_cursor_is_replaced(house: Desks) -> None:
    assert await house.offered("clip status:fail age:<1d", at=16) == ["clip status:failed age:<1d"]
    assert await house.offered("clip status:queued age:<1d", at=13) == [], "it stands there already"
    assert await house.offered("clip  age:<1d", at=5) == [f"clip {field}: age:<1d" for field in FIELDS]
    assert await house.offered("status:", at=10_000) == await house.offered("status:")


async def test_a_member_is_told_of_nobody_and_of_no_kind_of_others(house: Desks) -> None:
    assert await house.offered("owner:", who=house.mem) == ["owner:me"]
    assert (await house.offered("kind:", who=house.mem))[0] == "kind:old.kind"
    statuses = (await complete(house.desk, house.mem, "status:")).options
    assert {option.label: option.hint for option in statuses if option.hint != "0"} == {"completed": "1"}
