"""Views of jobs for rows, made once for all open pages that show the same."""

from collections.abc import Hashable
from weakref import ReferenceType, ref

from services.desk import Desk
from services.jobs import jobs
from services.models import Job
from services.operations.waiting import Waiting
from services.people.access import Actor
from ui.components.job_view import JobView, job_view

_MOST = 3_000


class JobViews:
    """One per web process. A hundred pages that show a job ask for the same view of it within a blink."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: dict[Hashable, JobView] = {}
        self._handed: dict[tuple[int, bool], tuple[ReferenceType[Job], Waiting | None, JobView]] = {}
        """What was made of a record that was handed to all pages: not to look into it again for each. The record itself
        is not kept, since its arguments and its result may be large."""

    def of(self, actor: Actor, job: Job, waiting: Waiting | None) -> JobView:
        """The job as a row for this person. A record that was read is not changed any more."""
        may_change = actor.may_change
        handed = self._handed.get((id(job), may_change))
        if handed and handed[0]() is job and handed[1] is waiting:
            return handed[2]
        view = self._view(actor, job, waiting)
        if len(self._handed) >= _MOST:
            self._handed.clear()
        self._handed[id(job), may_change] = ref(job), waiting, view
        return view

    def _view(self, actor: Actor, job: Job, waiting: Waiting | None) -> JobView:
        # All that a row says follows from these: whatever else changes in a job gives it another version.
        key = (job.id, job.version, job.progress, job.step, actor.may_change, waiting)
        view = self._made.get(key)
        if view is None:
            if len(self._made) >= _MOST:
                self._made.clear()
            actions = jobs.actions(self._desk, actor, job)
            view = self._made[key] = job_view(job, self._desk.kinds.get(job.kind), actions, waiting)
        return view
