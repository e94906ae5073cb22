"""Batches: begun by people, walked by whichever worker runs them."""

from uuid import UUID

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlmodel import col

from services.batch.batch import start
from services.batch.match import Selection
from services.batch.walk import Advance, advance, tell
from services.lifecycle import Claim
from services.models import BatchSkip, Job
from services.vocabulary import Status
from tests.invariants.bench import Bench, fates, some, who, workers
from tests.invariants.house import BATCH
from tests.invariants.world import Command, Deed, Fate


class Batches(Bench):
    """Another chance for many."""

    @rule(who=who, chosen=st.none() | st.lists(some, min_size=1, max_size=4), fate=fates)
    def begin_batch(self, who: str, chosen: list[int] | None, fate: Fate) -> None:
        """Everything that has failed, or some that were chosen."""
        actor = self.house.people[who]
        if chosen is None or not self.model.jobs:
            selection = Selection(status=[Status.FAILED])
        else:
            selection = Selection(ids=[self._job(number)[0] for number in chosen])

        def begun(made: Job) -> None:
            matched = [
                job_id
                for job_id, job in self.model.jobs.items()
                if job.kind != BATCH
                and not self.model.not_for(actor, job_id)
                and (job_id in selection.ids if selection.ids else job.status is Status.FAILED)
            ]
            self.model.begin_batch(made.id, BATCH, actor, matched)

        command = Command(f"{who} begins a batch of {selection}", fate, [Deed(set, begun)])
        command.against = set() if actor.may_change else {"forbidden"}
        self._do(command, start(self.desk, actor, selection))

    @rule(worker=workers, number=some, fate=fates)
    def walk(self, worker: str, number: int, fate: Fate) -> None:
        """The next chunk of a batch, by the worker that runs it, or believes so."""
        batches = [claim for claim in self.claims[worker] if claim.job_id in self.model.batches]
        if not batches:
            return
        self._walk(worker, batches[number % len(batches)], fate)

    def _walk(self, worker: str, claim: Claim, fate: Fate) -> None:
        batch = self.model.batches[claim.job_id]
        selection = Selection.model_validate(self.claims[worker][claim].args)
        chunk = batch.chunks

        def against() -> set[str]:
            held = self.model.holds(worker, *claim) and batch.chunks == chunk
            return set() if held else {"NotHeld"}

        def walked(answer: Advance) -> None:
            self.model.walk(claim.job_id, answer.done.changes)
            assert (answer.batch.retried, answer.batch.spent) == (batch.retried.total(), batch.spent)
            if answer.batch.done:
                self.to_account_for += [(claim.job_id, job_id) for job_id in self.model.untouched(batch)]

        async def work() -> None:
            await tell(self.desk, await advance(self.desk, claim, worker, selection))

        # Twice, since it tries again where somebody spent the credits that it had counted on.
        command = Command(f"{worker} walks {self._named(claim.job_id)}", fate, [Deed(against, walked)] * 2)
        self._do(command, work())

    @precondition(lambda self: self.to_account_for)
    @invariant()
    def a_batch_has_a_reason_for_each_job_it_left_alone(self) -> None:
        """What matched and was not retried is skipped with a reason."""

        async def reasons() -> set[tuple[UUID, UUID]]:
            async with self.desk.db.read() as session:
                rows = await session.execute(sa.select(col(BatchSkip.batch_id), col(BatchSkip.job_id)))
            return {(row[0], row[1]) for row in rows}

        missing = set(self.to_account_for) - self.house.run(reasons())
        assert not missing, f"neither retried nor skipped: {[self._named(job) for _, job in missing]}"
        self.to_account_for.clear()
