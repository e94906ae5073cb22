"""The figures of a period against a history that is known to the second."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.desk import Desk
from services.insights.figures import Insights, Spread, insights
from services.insights.histogram import PRECISION, bucket_of, percentile
from services.insights.odds import Odds
from services.insights.periods import Period, spans_of
from services.jobs.job_list import JobQuery, list_jobs
from services.models import Attempt, Job, now
from services.people.access import Actor
from services.vocabulary import Role, Status, Trigger
from tests.support.desks import a_person, open_desk
from tests.support.history import Past, fold_all, job_with_past, remember

# Yesterday: what is told by hours must not be too old for it.
AT = (now() - timedelta(days=1)).replace(hour=15, minute=40)
ENCODE, FETCH = "test.encode", "test.fetch"
BUSY, FULL = "b" * 16, "f" * 16

DONE = Past(Status.COMPLETED, waited=2, ran=10)
FAILED = Past(Status.FAILED, waited=2, ran=5, fingerprint=BUSY)
RETRIED = Past(Status.COMPLETED, waited=4, ran=20, trigger=Trigger.MANUAL, pause=600, cost=3)
BY_ITSELF = Past(Status.FAILED, waited=1, ran=5, trigger=Trigger.AUTO, pause=30, fingerprint=BUSY)
STOPPED = Past(Status.CANCELLED, trigger=Trigger.BATCH, pause=60, claimed=False)
VOID = Past(Status.FAILED, trigger=Trigger.MANUAL, void=True, pause=5, claimed=False)
RESCUED = Past(Status.COMPLETED, waited=1, ran=1, trigger=Trigger.RESCUE)
FULL_DISK = Past(Status.TIMEOUT, waited=2, ran=100, fingerprint=FULL)
EDITED = Past(Status.COMPLETED, trigger=Trigger.MANUAL, pause=60, changes=[{"path": "n"}])


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def happened(desk: Desk, owner: Actor, kind: str, ago: timedelta, *lines: Sequence[Past]) -> None:
    rows: list[Job | Attempt] = []
    for runs in lines:
        rows += job_with_past(owner, kind, AT - ago, runs)
    await remember(desk, rows)


async def seen(desk: Desk, actor: Actor, period: Period = Period.DAY, kind: str | None = None) -> Insights:
    return await insights(desk, actor, period, kind, at=AT)


def ended(*, completed: int = 0, failed: int = 0, timeout: int = 0, cancelled: int = 0) -> dict[Status, int]:
    return {
        Status.COMPLETED: completed, Status.FAILED: failed, Status.TIMEOUT: timeout, Status.CANCELLED: cancelled
    }  # fmt: skip


def about(seconds: float | None) -> Any:
    return pytest.approx(seconds, rel=PRECISION + 1e-9)


async def test_each_figure_is_what_happened_folded_or_not(desk: Desk) -> None:
    dana = await a_person(desk)
    await happened(
        desk, dana, ENCODE, timedelta(hours=3),
        *[[DONE]] * 17, [FAILED, RETRIED], [FAILED, BY_ITSELF, RETRIED], [FAILED, STOPPED], [FAILED, VOID],
        [FAILED, RESCUED],
    )  # fmt: skip
    await happened(desk, dana, FETCH, timedelta(hours=20), [FULL_DISK], [FULL_DISK, EDITED])
    await happened(desk, dana, ENCODE, timedelta(days=3), [FAILED])
    await happened(desk, dana, "system.batch_retry", timedelta(hours=1), [DONE])

    for _ in range(2):
        day = await seen(desk, dana)
        assert day.complete
        assert day.total.ended == ended(completed=21, failed=6, timeout=2, cancelled=1)
        assert day.total.runs == 30
        assert list(day.kinds) == [ENCODE, FETCH]
        encode = day.kinds[ENCODE]
        assert encode.ended == ended(completed=20, failed=6, cancelled=1)
        assert encode.retries == Odds(2, 3)
        assert day.total.retries == Odds(3, 4)
        assert (encode.credits, day.total.credits) == (6, 6)
        # 17 + 5 waited 2 s, 2 of them 4 s, 2 of them 1 s; what was cancelled or void never ran.
        assert encode.waiting == Spread(26, about(2), about(4))
        assert encode.running == Spread(26, about(10), about(20))
        assert encode.to_retry == Spread(2, about(600), about(600))
        assert encode.to_auto_retry == Spread(1, about(30), about(30))
        assert [(e.fingerprint, e.kind, e.message, e.retries) for e in day.errors] == [
            (BUSY, ENCODE, "It broke", Odds(2, 3))
        ]
        assert (await seen(desk, dana, kind=FETCH)).total == day.kinds[FETCH]
        assert (await seen(desk, dana, kind="system.batch_retry")).total.runs == 1
        week = await seen(desk, dana, Period.WEEK)
        assert week.total.ended[Status.FAILED] == 7
        await fold_all(desk)


async def test_the_bars_are_the_spans_of_the_period(desk: Desk) -> None:
    dana = await a_person(desk)
    for days in (0, 6, 29, 80):
        await happened(desk, dana, ENCODE, timedelta(days=days, minutes=5), [DONE])
    for _ in range(2):
        for period, count, spans in (
            (Period.DAY, 1, 24), (Period.WEEK, 2, 28), (Period.MONTH, 3, 30), (Period.QUARTER, 4, 90),
        ):  # fmt: skip
            figures = await seen(desk, dana, period)
            assert len(figures.bars) == spans
            assert [bar.ended[Status.COMPLETED] for bar in figures.bars].count(1) == count
            assert figures.bars[-1].ended[Status.COMPLETED] == 1
            assert figures.bars[0].start == figures.since
            assert figures.since <= AT < figures.until
        await fold_all(desk)
    assert spans_of(Period.WEEK, AT).starts[-1] == AT.replace(hour=12, minute=0, second=0, microsecond=0)


async def test_a_member_sees_what_became_of_their_own_jobs(desk: Desk) -> None:
    dana, mia = await a_person(desk), await a_person(desk, Role.MEMBER)
    stranger = await a_person(desk, workspace="elsewhere")
    await happened(desk, dana, ENCODE, timedelta(hours=1), [FAILED, RETRIED])
    await happened(desk, mia, ENCODE, timedelta(hours=1), [DONE])
    for _ in range(2):
        own = await seen(desk, mia)
        assert own.total.ended == ended(completed=1)
        assert (own.total.credits, own.errors) == (0, [])
        assert (await seen(desk, await a_person(desk, Role.VIEWER, name=f"vera{_}"))).total.runs == 3
        assert (await seen(desk, stranger)).total.runs == 0
        await fold_all(desk)


async def test_the_jobs_behind_a_figure_are_found(desk: Desk) -> None:
    dana = await a_person(desk)
    await happened(desk, dana, ENCODE, timedelta(hours=3), [DONE], [FAILED, RETRIED], [FAILED])
    await happened(desk, dana, ENCODE, timedelta(days=40), [DONE])
    await fold_all(desk)

    async def count(q: str) -> int:
        return (await list_jobs(desk, dana, JobQuery(q=q))).total

    today, tomorrow = f"{AT:%Y-%m-%d}", f"{AT + timedelta(days=1):%Y-%m-%d}"
    assert await count(f"ended:{today}") == 3
    assert await count(f"status:completed ended:{today}T12:00Z..{today}T14:00") == 2
    assert await count(f"ended:{today}T13..{tomorrow}") == 0
    assert await count(f"ended:{AT - timedelta(days=40):%Y-%m-%d}") == 1
    assert await count("ended:<3d") == 3
    assert await count(f"after:{BUSY}") == 1
    assert await count(f"after:{FULL}") == 0


@given(st.lists(st.floats(0.001, 3e6), min_size=1, max_size=50), st.sampled_from([0.5, 0.95]))
def test_percentiles_are_as_precise_as_is_said(took: list[float], share: float) -> None:
    runs: dict[int, int] = {}
    for seconds in took:
        runs[bucket_of(seconds)] = runs.get(bucket_of(seconds), 0) + 1
    exact = sorted(took)[ceil(share * len(took)) - 1]
    assert percentile(runs, share) == pytest.approx(exact, rel=PRECISION + 1e-6)
