"""The policies of the five published designs, as kinds: the real ones, but for D, whose world a test can turn."""

from dataclasses import dataclass, field

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from services.checks.checking import Unlearned
from services.checks.space import GB, free_disk_space, owner_quota, remote_size_limit
from services.checks.state import not_a_torrent, service_answers
from services.desk import Desk
from services.errors import ServiceUnavailable
from services.kinds import JobKind, load_kinds
from services.models import Job
from services.policy import Preparing, RetryPolicy, Undo
from services.vocabulary import RetryMode, Status
from tests.support.desks import a_kind

_REAL = {
    "A": ("tasks.kinds.video_download", "video.download"),
    "B": ("tasks.kinds.video_process", "video.process"),
    "C": ("tasks.kinds.resume_analyse", "resume.analyse"),
    "E": ("tasks.kinds.webhook_deliver", "webhook.deliver"),
}


class DownloadArgs(BaseModel):
    """What to fetch: an address, or an uploaded torrent."""

    url: str | None = None
    torrent: bool = False


@dataclass
class Downloads:
    """The world around system D, as a test wants it."""

    size: int | None = GB
    used: int = 0
    floor: int = 0
    answers: bool = True
    takes: bool = True
    prepared: set[str] = field(default_factory=set)

    async def size_of(self, desk: Desk, job: Job) -> int:
        """How large the file is."""
        if self.size is None:
            raise Unlearned("the server does not say it")
        return self.size

    async def used_of(self, session: AsyncSession, job: Job) -> int:
        """What the owner's other files take."""
        return self.used

    async def probe(self, desk: Desk) -> str:
        """Asks aria2 for its version."""
        if not self.answers:
            raise ConnectionRefusedError
        return "1.37.0"

    async def prepare(self, desk: Desk, job: Job, coming: Preparing) -> Undo:
        """Adds the new download, paused."""
        if not self.takes:
            raise ServiceUnavailable("Failed to create aria2 task: unknown option")
        self.prepared.add(str(coming.job_id))

        async def undo() -> None:
            self.prepared.discard(str(coming.job_id))

        return undo

    def policy(self) -> RetryPolicy:
        """System D's."""
        return RetryPolicy(
            statuses=frozenset({Status.FAILED, Status.TIMEOUT}),
            mode=RetryMode.REPLACE,
            counts=True,
            checks=(
                not_a_torrent(lambda job: bool(job.args.get("torrent"))),
                free_disk_space(lambda settings: settings.data_path, floor=lambda _: self.floor),
                remote_size_limit(self.size_of, 2 * GB),
                owner_quota(self.size_of, self.used_of, 10 * GB),
                service_answers("aria2", self.probe),
            ),
            prepare=self.prepare,
            keeps=("Title, owner, place in the list", "Files on disk"),
        )


def five_kinds(downloads: Downloads) -> dict[str, JobKind]:
    """A kind for each system, A to E."""
    kinds = load_kinds([module for module, _ in _REAL.values()])
    real = {system: kinds[name] for system, (_, name) in _REAL.items()}
    made = a_kind("test.download", policy=downloads.policy(), args_model=DownloadArgs)
    return dict(sorted((real | {"D": made}).items()))
