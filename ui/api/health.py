"""For whoever runs Mulligan: is it alive, is it ready, figures for Prometheus. Open to all; nothing private is told."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from services.desk import Desk
from services.errors import ServiceUnavailable
from services.migrate import is_current
from services.operations import workers
from services.stats import jobs_everywhere
from ui.api.caller import TheDesk

router = APIRouter(tags=["health"])

_PATIENCE = 3.0
_METRICS_SECONDS = 5.0
_COUNTING_SECONDS = 10.0


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether each part that is needed answers: `ok`, or what is wrong."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]


@router.get("/healthz")
async def healthz() -> Alive:
    """Whether this process lives."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(desk: TheDesk, response: Response) -> Readiness:
    """Whether this process can do its work: database, migrations, Redis."""
    names = ("database", "migrations", "redis")
    found = await asyncio.gather(_check(desk.db.ping()), _check(_migrated(desk)), _check(_redis(desk)))
    ready = all(answer == "ok" for answer in found)
    response.status_code = 200 if ready else 503
    return Readiness(status="ready" if ready else "not ready", checks=dict(zip(names, found, strict=True)))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(desk: TheDesk, request: Request) -> Response:
    """Figures for Prometheus, counted at most every 5 seconds, once for all who ask meanwhile."""
    state = request.app.state
    made_at, text = getattr(state, "metrics", (0.0, ""))
    if time.monotonic() - made_at > _METRICS_SECONDS or not text:
        counting: asyncio.Task[str] | None = getattr(state, "metrics_task", None)
        if counting is None or counting.done():
            counting = state.metrics_task = asyncio.create_task(_in_time(_metrics(desk)))
        # Shielded: who goes away must not take the figures from the others.
        text = await asyncio.shield(counting)
        state.metrics = (time.monotonic(), text)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _in_time(figures: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(_COUNTING_SECONDS):
            return await figures
    except TimeoutError as error:
        raise ServiceUnavailable("The figures could not be counted in time.") from error


async def _metrics(desk: Desk) -> str:
    jobs = await jobs_everywhere(desk)
    online = await workers.online(desk)
    lines = ["# HELP mulligan_jobs Jobs by status.", "# TYPE mulligan_jobs gauge"]
    lines += [f'mulligan_jobs{{status="{status}"}} {count}' for status, count in jobs.items()]
    lines += _gauge("mulligan_workers", "Workers whose heartbeat came lately.", len(online))
    lines += _gauge(
        "mulligan_running_attempts", "Attempts that these workers run.", sum(w.running for w in online)
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            backlog = await desk.queue.backlog()
    except Exception:  # noqa: BLE001 - a figure that cannot be had is left out
        return "\n".join(lines) + "\n"
    lines += _gauge("mulligan_queue_backlog", "Doorbells that no worker has answered yet.", backlog)
    return "\n".join(lines) + "\n"


def _gauge(name: str, help_text: str, value: int) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", f"{name} {value}"]


async def _check(probe: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await probe
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        # Its kind only: a driver's message may hold an address.
        return type(error).__name__
    return "ok"


async def _migrated(desk: Desk) -> None:
    if not await is_current(desk.db):
        raise _SchemaDiffersError


async def _redis(desk: Desk) -> None:
    await desk.feed.last_id()


class _SchemaDiffersError(Exception):
    """`mulligan migrate` was not run."""
