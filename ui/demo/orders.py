"""The demo's jobs: of each kind, in each status, some failing in ways that a retry mends."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ui.demo.server import BREAKS, SLOW


@dataclass(frozen=True)
class Order:
    """A job to make. `file` is uploaded first, and its id put into the arguments as `upload_id`."""

    kind: str
    title: str
    args: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    cancel: bool = False
    """Cancelled as soon as it is there."""
    run_at: datetime | None = None


def orders(server: str) -> Iterator[Order]:
    """What to make; `server` is where the demo's own server answers."""
    yield from _tasks()
    yield from _webhooks(server)
    yield from _videos()
    yield from _downloads(server)
    yield from _resumes()
    yield Order("demo.render", "Lighthouse at dusk", {"scene": "lighthouse"})
    # The last are the first in the list, and still run when somebody looks.
    yield Order("demo.task", "A long one: cancel me", {"seconds": 18, "ending": "good"})
    yield Order("file.download", "A slow one: pause me", {"url": f"{server}/files/{SLOW}"})


def _tasks() -> Iterator[Order]:
    for n in range(1, 13):
        yield Order("demo.task", f"Night report {n:02}", {"seconds": 0.5, "ending": "good"})
    for n in range(1, 9):
        yield Order("demo.task", f"Mirror sync {n:02}", {"seconds": 0.5, "ending": "flaky"})
    for n in range(1, 4):
        yield Order("demo.task", f"Bake {n:02}", {"seconds": 0.5, "ending": "broken"})
    yield Order("demo.task", "Counts to infinity", {"seconds": 1, "ending": "endless"})
    yield Order("demo.task", "Not needed after all", {"seconds": 15}, cancel=True)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    yield Order("demo.task", "Tomorrow's report", {"seconds": 2}, run_at=tomorrow)


def _webhooks(server: str) -> Iterator[Order]:
    hooks = {1041: "ok", 1042: "flaky?name=1042", 1043: "busy?name=1043", 1044: "gone"}
    for invoice, hook in hooks.items():
        body = {"type": "invoice.paid", "data": {"id": invoice, "total": "19.00"}}
        args = {"url": f"{server}/hooks/{hook}", "body": body}
        yield Order("webhook.deliver", f"Invoice {invoice} paid", args)


def _videos() -> Iterator[Order]:
    for preset in ("480p", "audio"):
        yield Order("video.process", f"launch-teaser.mp4 → {preset}", {"preset": preset}, file="clip.mp4")
    yield Order("video.process", "keynote.mov → 480p", {"preset": "480p"}, file="damaged.mp4")


def _resumes() -> Iterator[Order]:
    wanted = "A data engineer with Python, Kafka, Airflow, Terraform and Spark, and at least 5 years of experience."
    yield Order("resume.analyse", "Ada Sample", {"job_description": wanted}, file="resume.pdf")
    yield Order("resume.analyse", "A resume that is a video", file="damaged.mp4")


def _downloads(server: str) -> Iterator[Order]:
    clip, nothing = f"{server}/files/clip.mp4", f"{server}/files/removed.mp4"
    yield Order("video.metadata", "What is in the clip?", {"url": clip})
    yield Order("video.download", "The clip", {"url": clip})
    yield Order("video.download", "A clip that was removed", {"url": nothing})
    yield Order("file.download", "clip.mp4", {"url": clip})
    yield Order("file.download", "removed.mp4", {"url": nothing})
    yield Order("file.download", "A mirror that breaks off", {"url": f"{server}/files/{BREAKS}"})
    yield Order("file.download", "holiday-photos.torrent", file="damaged.torrent")
