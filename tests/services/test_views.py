"""Views that have names: whose they are, and what they hold."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.desk import Desk
from services.errors import Forbidden, Invalid, NotFound
from services.jobs import views
from services.jobs.views import Display, Look
from services.people.access import Actor
from services.vocabulary import Density, Role, Status
from tests.support.desks import a_person, open_desk


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def names(desk: Desk, actor: Actor) -> list[str]:
    return [view.name for view in await views.list_views(desk, actor)]


async def test_own_ones_and_shared_ones_are_seen_by_name(desk: Desk) -> None:
    dana, mem = await a_person(desk), await a_person(desk, Role.MEMBER)
    eve = await a_person(desk, workspace="elsewhere")
    look = Look("kind:test.*", (Status.TIMEOUT, Status.FAILED), "oldest")
    saved = await views.save(desk, dana, "  what  failed ", look, shared=True)
    assert (saved.name, saved.q, saved.statuses, saved.sort) == (
        "what failed", "kind:test.*", ["failed", "timeout"], "oldest",
    )  # fmt: skip
    await views.save(desk, dana, "Alone", Look())
    await views.save(desk, mem, "what failed", Look("owner:me"))
    assert await names(desk, dana) == ["Alone", "what failed"]
    assert await names(desk, mem) == ["what failed", "what failed"]
    assert await names(desk, eve) == []


async def test_what_is_not_theirs_is_refused_or_not_found(desk: Desk) -> None:
    dana, mem = await a_person(desk), await a_person(desk, Role.MEMBER)
    olaf, eve = await a_person(desk, Role.OPERATOR), await a_person(desk, workspace="elsewhere")
    shared = await views.save(desk, dana, "shared", Look(), shared=True)
    own = await views.save(desk, dana, "own", Look())
    for actor, view, error in (
        (mem, shared, Forbidden),
        (mem, own, NotFound),
        (olaf, own, NotFound),
        (eve, shared, NotFound),
    ):
        with pytest.raises(error):
            await views.change(desk, actor, view.id, name="x")
        with pytest.raises(error):
            await views.remove(desk, actor, view.id)
    with pytest.raises(Forbidden):
        await views.save(desk, mem, "mine", Look(), shared=True)
    mine = await views.save(desk, mem, "mine", Look())
    with pytest.raises(Forbidden):
        await views.change(desk, mem, mine.id, shared=True)
    assert (await views.change(desk, olaf, shared.id, name="ours", shared=False)).name == "ours"
    assert await names(desk, olaf) == []
    await views.remove(desk, dana, shared.id)
    assert await names(desk, dana) == ["own"]


async def test_what_makes_no_sense_is_refused_in_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    dana = await a_person(desk)
    other = await views.save(desk, dana, "other", Look())
    await views.save(desk, dana, "one", Look())
    for name, look, words in (
        (" ", Look(), "has a name"),
        ("x" * 61, Look(), "at most 60"),
        ("one", Look(), "of this name already"),
        ("two", Look("status:nonsense"), "There is no status"),
    ):
        with pytest.raises(Invalid, match=words):
            await views.save(desk, dana, name, look)
    with pytest.raises(Invalid, match="already"):
        await views.change(desk, dana, other.id, name="one")
    monkeypatch.setattr(views, "_MOST", 2)
    with pytest.raises(Invalid, match="more than 2"):
        await views.save(desk, dana, "three", Look())


async def test_columns_and_density_are_kept_where_they_are_wanted(desk: Desk) -> None:
    dana = await a_person(desk)
    await views.save(desk, dana, "plain", Look())
    await views.save(desk, dana, "tight", Look(display=Display(Density.COMPACT, ("created", "kind"))))
    await views.save(desk, dana, "bare", Look(display=Display(columns=())))
    kept = {view.name: views.display_of(view) for view in await views.list_views(desk, dana)}
    assert kept == {
        "plain": None,
        "tight": Display(Density.COMPACT, ("kind", "created")),
        "bare": Display(Density.COMFORTABLE, ()),
    }
    with pytest.raises(Invalid, match="no column 'status'"):
        await views.save(desk, dana, "wrong", Look(display=Display(columns=("status",))))
