"""Courses of events that chance seldom comes by: one after the other, with other things before and after."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.lifecycle import Claim
from services.vocabulary import BatchAction
from tests.invariants.overtaken import OFF, Overtaken
from tests.invariants.world import Fate, Point

_CHUNKS = 6


class Courses(Overtaken):
    """What happens in some order."""

    @rule(
        first=st.sampled_from(("breaks", "is claimed")),
        then=st.sampled_from(("has its time", "is begun", "breaks")),
    )
    def retries_are_off(self, first: str, then: str) -> None:
        """Nothing is retried by itself, and what waits waits on."""
        self._make_way()
        job_id = self._new("test.auto")
        for happening in (first, *OFF, then):
            if happening == "is begun":
                self._start("admin", job_id, Fate())
            else:
                self._happens(happening, job_id)
            self.everything_adds_up()

    @rule(canary=st.integers(1, 2), ends=st.sampled_from(("is done", "breaks", "is handed back")))
    def a_canary_is_sent(self, canary: int, ends: str) -> None:
        """The rest of a batch follows, or does not, as its canary recovers."""
        self._make_way()
        for _ in range(3):
            self._happens("breaks", self._new("test.again"))
            self.everything_adds_up()
        if (batch := self._a_batch(BatchAction.RETRY, canary=canary)) is None:
            return
        self.everything_adds_up()
        sent = self.model.batches[batch.job_id].done
        for _ in range(_CHUNKS):
            if sent.total() < canary:
                self._walk_on("anvil", batch, Fate())
                self.everything_adds_up()
        for job_id in list(sent):
            claim = Claim(self.model.newest(job_id), self.model.jobs[self.model.newest(job_id)].attempt)
            self._claim("bellows", [claim], Fate())
            if ends == "is handed back":
                self.hand_back(worker="bellows", fate=Fate())
            elif claim in self.claims["bellows"]:
                self._finish("bellows", claim, ends, Fate())
            self.everything_adds_up()
        self._walk_on("anvil", batch, Fate())

    @rule(
        kind=st.sampled_from(("test.replaced", "test.prepared")),
        then=st.sampled_from(("is retried", "is retried in an outage", "is deleted")),
    )
    def a_retry_is_taken_back(self, kind: str, then: str) -> None:
        """Nobody could be told of it; and life goes on."""
        job_id = self._one_to_retry(0, kind)
        for happening in ("is retried in an outage", then, "breaks", "is deleted"):
            self._happens(happening, self.model.newest(job_id))
            self.everything_adds_up()

    @rule(kind=st.sampled_from(("test.replaced", "test.replaced", "test.prepared")))
    def a_retry_comes_too_late(self, kind: str) -> None:
        """Everything is ready for it outside, and somebody else is first."""
        job_id = self._one_to_retry(0, kind)
        self._retry("operator", job_id, None, None, Fate(Point.BEFORE, crash=False))
        self._goes_on_after(["is retried"], job_id)
        self.everything_adds_up()
