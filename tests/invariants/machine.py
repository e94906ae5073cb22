"""All rules together, and what must be so in the end.

To add a command: one method of `Model` for why it is refused, one for what it does, and one rule that gives `do` a
`Command` with a `Deed` for each of its transactions. Crashes and hold-ups come by themselves.
"""

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlmodel import col

from services.models import Job
from services.vocabulary import ACTIVE, WAITING, Status
from tests.invariants.bench import ends, kinds
from tests.invariants.courses import Courses
from tests.invariants.world import Fate


class Engine(Courses):
    """The retry engine against its model: bad luck besides what everybody does."""

    @initialize(chosen=st.lists(st.tuples(kinds, ends), min_size=2, max_size=5))
    def some_have_ended(self, chosen: list[tuple[str, str]]) -> None:
        """Jobs to begin with, so that there is something to retry."""
        for kind, end in chosen:
            self.submit(who="owner", kind=kind, later=False, fate=Fate())
            self.run(worker="anvil", bell=0, end=end)

    @precondition(lambda self: self.house.bells.delayed)
    @rule()
    def delayed_bells_arrive(self) -> None:
        """Late, but they come."""
        self.house.bells.waiting += self.house.bells.delayed
        self.house.bells.delayed.clear()

    @precondition(lambda self: self.house.bells.waiting)
    @rule()
    def the_queue_forgets(self) -> None:
        """Redis came back empty."""
        self.house.bells.waiting.clear()

    def teardown(self) -> None:
        """Nothing was lost: with a healthy queue, housekeeping and a worker, every job that waits is run."""
        try:
            if not self.broken:
                self._end_well()
        finally:
            self.house.run(self._leave())

    async def _leave(self) -> None:
        tasks = [command.task for command, _ in self.held if command.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.house.announcer.drain()

    def _end_well(self) -> None:
        while self.held:
            self.go_on(number=0, crash=False)
        self._make_way()
        # Whoever holds a slot and was killed is found to be lost; whoever holds one ends.
        self._all_are_late(*ACTIVE)
        for _ in range(12):
            if not self.model.waiting():
                break
            self._all_are_late(*WAITING)
            self.keep_house(fate=Fate())
            while any(self.model.jobs[job_id].due for job_id in self.model.awaiting()):
                self.look(fate=Fate())
            while self.house.bells.waiting:
                self.run(worker="anvil", bell=0, end="is done")
            self.everything_adds_up()
        assert not self.model.waiting(), "every job that waits is run in the end"

    def _all_are_late(self, *statuses: Status) -> None:
        self.house.run(self.make_late(col(Job.status).in_(statuses)))
        for job in self.model.jobs.values():
            if job.status in statuses:
                job.due, job.lost = job.status is Status.SCHEDULED, job.status is Status.RUNNING
