"""Batches: begun by people, walked by whichever worker runs them."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlmodel import col

from services.batch.batch import Trial, start
from services.batch.match import Selection
from services.batch.report import read_batch
from services.batch.trial import against_canary, go_on, is_waiting, stop, tally
from services.batch.walk import Advance, advance, tell
from services.lifecycle import Claim
from services.models import Batch, BatchSkip, Job
from services.vocabulary import ACTIVE, BatchAction, Status
from tests.invariants.bench import Bench, fates, some, who, workers
from tests.invariants.house import BATCHES
from tests.invariants.world import Command, Deed, Fate

_FIRST = {
    BatchAction.RETRY: [Status.FAILED],
    BatchAction.CANCEL: sorted(ACTIVE),
    BatchAction.DELETE: [Status.COMPLETED, Status.CANCELLED],
}
"""What a search looks for, where no jobs are chosen."""
actions = st.just(BatchAction.RETRY) | st.sampled_from(BatchAction)


class Batches(Bench):
    """Another chance for many; an end, or a grave."""

    @rule(
        who=who, action=actions, chosen=st.none() | st.lists(some, min_size=1, max_size=4),
        canary=st.sampled_from((0, 0, 1, 2)), fate=fates,
    )  # fmt: skip
    def begin_batch(
        self, who: str, action: BatchAction, chosen: list[int] | None, canary: int, fate: Fate
    ) -> None:
        """Everything in some status, or some jobs that were chosen."""
        self._begin_batch(who, action, chosen, fate, canary if action is BatchAction.RETRY else 0)

    def _begin_batch(
        self, who: str, action: BatchAction, chosen: Sequence[int] | None, fate: Fate, canary: int = 0
    ) -> None:
        actor = self.house.people[who]
        if chosen is None or not self.model.jobs:
            selection = Selection(status=_FIRST[action])
        else:
            selection = Selection(ids=[self._job(number)[0] for number in chosen])

        def begun(made: Job) -> None:
            matched = [
                job_id
                for job_id, job in self.model.jobs.items()
                if job_id not in self.model.batches
                and not self.model.not_for(actor, job_id)
                and (job_id in selection.ids if selection.ids else job.status in selection.status)
            ]
            self.model.begin_batch(made.id, BATCHES[action], action, actor, matched, canary)

        def against() -> set[str]:
            return {"retries_disabled"} if action is BatchAction.RETRY and "" in self.model.off else set()

        command = Command(f"{who} begins to {action} {selection}", fate, [Deed(against, begun)])
        command.against = set() if actor.may_change else {"forbidden"}
        self._do(command, start(self.desk, actor, selection, action, Trial(canary)))

    @rule(worker=workers, number=some, fate=fates)
    def walk(self, worker: str, number: int, fate: Fate) -> None:
        """The next chunk of a batch, by the worker that runs it, or believes so; unless its canary is still out."""
        batches = [claim for claim in self.claims[worker] if claim.job_id in self.model.batches]
        if not batches:
            return
        self._walk_on(worker, batches[number % len(batches)], fate)

    def _walk_on(self, worker: str, claim: Claim, fate: Fate) -> None:
        batch: Batch = self.house.run(read_batch(self.desk, claim.job_id))
        if batch.stopped is not None:
            self._go_on_or_stop(worker, claim, None, fate)
        elif not is_waiting(batch):
            self._walk(worker, claim, fate)
        else:
            seen = self.house.run(tally(self.desk, claim.job_id))
            assert seen == self.model.tally(claim.job_id)
            if why := None if seen.unended else against_canary(batch, seen):
                self._go_on_or_stop(worker, claim, why, fate)
            elif not seen.unended:
                assert seen.recovered, "a canary of which none recovered"
                self._walk(worker, claim, fate)

    def _go_on_or_stop(self, worker: str, claim: Claim, why: str | None, fate: Fate) -> None:
        def against() -> set[str]:
            return set() if self.model.holds(worker, *claim) else {"NotHeld"}

        deed = Deed(against, lambda _: self.model.stop(claim.job_id, stopped=why is not None))
        does = f"{worker} {'stops' if why else 'goes on with'} {self._named(claim.job_id)}"
        change = partial(stop, why=why) if why else go_on
        self._simple(does, fate, deed, change(self.desk, claim, worker))

    def _walk(self, worker: str, claim: Claim, fate: Fate) -> None:
        batch = self.model.batches[claim.job_id]
        selection = Selection.model_validate(self.claims[worker][claim].args)
        chunk = batch.chunks

        def against() -> set[str]:
            held = self.model.holds(worker, *claim) and batch.chunks == chunk
            return set() if held else {"NotHeld"}

        def walked(answer: Advance) -> None:
            after = answer.batch
            self.model.walk(claim.job_id, answer.done.changes, raced=command.overtaken)
            assert (after.retried, after.spent) == (batch.done.total(), batch.spent)
            if after.done:
                assert after.matched == after.retried + sum(after.skipped.values()) + after.failed
                self.to_account_for += [(claim.job_id, job_id) for job_id in self.model.untouched(batch)]

        async def work() -> None:
            await tell(self.desk, await advance(self.desk, claim, worker, selection))

        # Twice, since it tries again where somebody spent the credits that it had counted on.
        name = f"{worker} walks {self._named(claim.job_id)}"
        command = Command(name, fate, [Deed(against, walked)] * 2)
        self._do(command, work())

    @precondition(lambda self: self.to_account_for)
    @invariant()
    def a_batch_has_a_reason_for_each_job_it_left_alone(self) -> None:
        """What matched and was left alone is skipped with a reason."""

        async def reasons() -> set[tuple[UUID, UUID]]:
            async with self.desk.db.read() as session:
                rows = await session.execute(sa.select(col(BatchSkip.batch_id), col(BatchSkip.job_id)))
            return {(row[0], row[1]) for row in rows}

        missing = set(self.to_account_for) - self.house.run(reasons())
        assert not missing, f"neither retried nor skipped: {[self._named(job) for _, job in missing]}"
        self.to_account_for.clear()
