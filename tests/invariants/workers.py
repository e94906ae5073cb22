"""What workers do: claim, run, tell, end, hand back; also those that have lost their attempt, or never had it."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy.ext.asyncio import AsyncSession

from services import lifecycle
from services.feed import Change
from services.jobs import submission
from services.lifecycle import Claim, Claimed, Outcome, Progress
from services.vocabulary import Status
from tasks.room import NoRoomError
from tasks.steps import Steps
from tests.invariants.bench import ENDS, LEASE, Bench, ends, fates, some, workers
from tests.invariants.house import POLICIES, STEPS
from tests.invariants.world import Command, Deed, Fate


class Workers(Bench):
    """Workers, and those who only believe to be."""

    @precondition(lambda self: self.house.bells.waiting)
    @rule(worker=workers, number=some, again=st.booleans(), twice=st.booleans(), fate=fates)
    def answer_bell(self, worker: str, number: int, *, again: bool, twice: bool, fate: Fate) -> None:
        """A doorbell is delivered; perhaps twice at once, perhaps to come again."""
        waiting = self.house.bells.waiting
        bell = waiting[number % len(waiting)] if again else waiting.pop(number % len(waiting))
        self._claim(worker, [Claim(bell.job_id, bell.attempt)] * (2 if twice else 1), fate)

    @precondition(lambda self: self.model.jobs)
    @rule(worker=workers, number=some, off=st.integers(-1, 1), fate=fates)
    def claim_anything(self, worker: str, number: int, off: int, fate: Fate) -> None:
        """A doorbell out of nowhere, perhaps of an attempt that was, or never will be."""
        job_id, job = self._job(number)
        self._claim(worker, [Claim(job_id, job.attempt + off)], fate)

    def _claim(self, worker: str, claims: list[Claim], fate: Fate) -> None:
        def claimed(won: dict[Claim, Claimed]) -> None:
            for claim in dict.fromkeys(claims):
                assert self.model.claim(*claim, worker) == (claim in won)
                self.wins[claim] += claim in won
                assert claim not in won or won[claim].is_paused == self.model.jobs[claim.job_id].paused

        async def claim_where_there_is_room(session: AsyncSession) -> dict[Claim, Claimed]:
            won = await lifecycle.claim(session, claims, worker, LEASE)
            await self.house.room.require(session, won, claims)
            return won

        async def work() -> dict[Claim, Claimed]:
            try:
                return await self.desk.db.transact(claim_where_there_is_room)
            except NoRoomError:
                return {}  # the doorbell is forgotten

        name = f"{worker} claims attempt {claims[0].attempt} of {self._named(claims[0].job_id)}"
        deed = Deed(lambda: self.model.against_claim(*claims[0]), claimed)
        command = Command(name, fate, [deed], is_told=False)
        self._do(command, work(), self.claims[worker].update)

    @precondition(lambda self: self.house.bells.waiting)
    @rule(worker=workers, bell=some, end=ends)
    def run(self, worker: str, bell: int, end: str) -> None:
        """A doorbell is answered and the attempt runs to its end: what happens mostly."""
        known = set(self.claims[worker])
        self.answer_bell(worker=worker, number=bell, again=False, twice=False, fate=Fate())
        if new := set(self.claims[worker]) - known:
            self._finish(worker, new.pop(), end, Fate())

    @rule(worker=workers, number=some, end=ends, as_worker=workers, fate=fates)
    def finish(self, worker: str, number: int, end: str, as_worker: str, fate: Fate) -> None:
        """An outcome: also of an attempt that was taken away meanwhile, or that is another worker's."""
        if claim := self._held_by(worker, number):
            self._finish(worker, claim, end, fate, as_worker)

    def _finish(self, worker: str, claim: Claim, end: str, fate: Fate, as_worker: str | None = None) -> None:
        status, failure = ENDS[end]
        claimed, writer = self.claims[worker][claim], as_worker or worker
        output = status is Status.COMPLETED
        auto = POLICIES[claimed.kind].auto
        wait = auto.wait(failure.type, claimed.auto_retries) if failure else None
        batch = self.model.batches.get(claim.job_id)
        result = {"stopped": "its canary failed"} if batch and batch.stopped else {"n": 1}
        outcome = Outcome(*claim, status, failure, result, has_output=output, retry_in=wait)

        def ended(changes: dict[Claim, Change]) -> None:
            taken = self.model.finish(*claim, writer, status, output=output, again=wait is not None)
            assert taken == (claim in changes), "an outcome is taken from the holder alone"

        async def work() -> None:
            await self.desk.db.transact(lambda s: lifecycle.finish(s, [outcome], writer))
            await self.house.room.ring_next(claimed.kind)

        name = f"{writer}: attempt {claim.attempt} of {self._named(claim.job_id)} {end}"
        self._simple(name, fate, Deed(set, ended), work())

    @rule(worker=workers, number=some, as_worker=workers)
    def renew_and_tell(self, worker: str, number: int, as_worker: str) -> None:
        """A heartbeat, and progress."""
        claim = self._held_by(worker, number)
        if claim is None:
            return
        holds = self.model.holds(as_worker, *claim)
        moved = [Progress(*claim, 50, "half")]

        async def work() -> tuple[dict[Claim, bool], list[Change]]:
            renewed = await self.desk.db.transact(lambda s: lifecycle.renew(s, [claim], as_worker, LEASE))
            return renewed, await self.desk.db.transact(lambda s: lifecycle.progress(s, moved, as_worker))

        def told(answer: tuple[dict[Claim, bool], list[Change]]) -> None:
            job = self.model.jobs[claim.job_id]
            assert answer[0] == ({claim: job.cancel_wish} if holds else {})
            assert bool(answer[1]) == holds
            job.lost = job.lost and not holds

        self._do(Command(f"{as_worker} renews {self._named(claim.job_id)}", Fate(), None), work(), told)

    @rule(worker=workers, number=some, step=st.sampled_from(STEPS))
    def do_step(self, worker: str, number: int, step: str) -> None:
        """A step is done and its result kept, if the attempt still is the worker's."""
        claim = self._held_by(worker, number)
        if claim is None:
            return
        run = self.model.jobs[claim.job_id].runs[claim.attempt]

        def kept(_: Any) -> None:
            if self.model.holds(worker, *claim) and step not in run.kept:
                run.kept = (*run.kept, step)

        steps = Steps(self.desk.db, *claim, STEPS, worker)
        work = steps.run(step, lambda: {"made": step}, keep=True)
        self._do(Command(f"{worker} does {step} of {self._named(claim.job_id)}", Fate(), None), work, kept)

    @rule(worker=workers, fate=fates)
    def hand_back(self, worker: str, fate: Fate) -> None:
        """A worker is stopped: it hands back what it has, or believes to have."""
        held = list(self.claims[worker])

        def handed(_: Any) -> None:
            for claim in held:
                if self.model.holds(worker, *claim):
                    self.model.hand_back(claim.job_id)

        async def work() -> None:
            back = await self.desk.db.transact(lambda s: lifecycle.hand_back(s, held, worker))
            await submission.ring(self.desk, back)

        self._do(
            Command(f"{worker} hands back", fate, [Deed(set, handed)]), work(),
            lambda _: self.claims[worker].clear(),
        )  # fmt: skip
