"""A served interface on a real desk, and people with tokens who call it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from services import lifecycle
from services.desk import Desk
from services.failures.failures import JobError, classify
from services.kinds import JobKind
from services.lifecycle import Claim, Outcome
from services.models import Artifact, LogLine, Step
from services.people import people
from services.people.access import Actor
from services.policy import RetryPolicy
from services.storage.storage import artifact_key
from services.vocabulary import Role, Status, StepStatus
from tests.support.desks import a_kind, open_desk
from ui.api.app import install_api
from ui.security import BrowserGuard


class FileArgs(BaseModel):
    """Arguments with an upload and what must be hidden."""

    upload_id: str | None = None
    url: str | None = None
    secret: str | None = None


def file_kind() -> JobKind:
    """A kind that takes an upload, is free, and may be retried twice."""
    run = a_kind().run
    return JobKind(
        "test.file",
        "A file",
        FileArgs,
        run,
        RetryPolicy(limit=2),
        steps=("probe", "encode"),
        upload_field="upload_id",
    )


@dataclass
class Caller:
    """A person with a token."""

    actor: Actor
    token: str
    http: httpx.AsyncClient

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return await self.call("GET", path, **more)

    async def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        """POST."""
        return await self.call("POST", path, json=json, **more)

    async def submit(self, **order: Any) -> dict[str, Any]:
        """A new job."""
        answer = await self.post("/api/jobs", {"kind": "test.priced", **order})
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job


@dataclass
class House:
    """The interface as it is served."""

    desk: Desk
    url: str
    http: httpx.AsyncClient

    async def caller(
        self, role: Role = Role.ADMIN, *, workspace: str = "default", email: str | None = None
    ) -> Caller:
        """Somebody with that role in a workspace, with a token."""
        email = email or f"{role}@{workspace}.example"
        await people.add_user(self.desk, email, workspace=workspace, role=role)
        token = await people.create_token(self.desk, email, workspace=workspace)
        return Caller(await people.resolve_token(self.desk, token), token, self.http)

    async def start(self, job_id: str, attempt: int = 1) -> None:
        """A worker takes the job."""
        async with self.desk.db.write() as session:
            assert await lifecycle.claim(session, [_claim(job_id, attempt)], "w1", 60)

    async def end(
        self, job_id: str, status: Status = Status.FAILED, attempt: int = 1, *, output: bool = False
    ) -> None:
        """A worker takes the job and ends it."""
        await self.start(job_id, attempt)
        try:
            raise JobError("It broke", failure_type="transient", advice="Try again")
        except JobError as broken:
            error = classify(broken, "test.priced")
        failure = error if status in {Status.FAILED, Status.TIMEOUT} else None
        outcome = Outcome(_claim(job_id, attempt).job_id, attempt, status, failure, {"n": 1}, output)
        async with self.desk.db.write() as session:
            assert await lifecycle.finish(session, [outcome], "w1")

    async def keep(self, job_id: str, name: str, content: bytes, content_type: str = "video/mp4") -> None:
        """Adds an artifact, a step and a line to the first attempt."""
        claim = _claim(job_id, 1)
        key = artifact_key(claim.job_id, 1)

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        await self.desk.storage.put_stream(key, chunks())
        async with self.desk.db.write() as session:
            session.add(
                Artifact(
                    job_id=claim.job_id,
                    attempt=1,
                    name=name,
                    size=len(content),
                    content_type=content_type,
                    storage_key=key,
                )
            )
            session.add(
                Step(
                    job_id=claim.job_id,
                    attempt=1,
                    name="probe",
                    position=0,
                    status=StepStatus.COMPLETED,
                    result={"value": 1},
                )
            )
            session.add(LogLine(job_id=claim.job_id, attempt=1, message="encoding"))


def _claim(job_id: str, attempt: int) -> Claim:
    return Claim(UUID(job_id), attempt)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The application on a real server in this loop."""
    sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([sock]))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        sock.close()


def web_app(desk: Desk) -> FastAPI:
    """The web's application as the composition root makes it, with a page."""
    app = FastAPI(openapi_url=None)
    install_api(app, desk)
    app.add_middleware(BrowserGuard, settings=desk.settings)

    @app.api_route("/page", methods=["GET", "POST"])
    async def page() -> PlainTextResponse:
        return PlainTextResponse("a page")

    return app


@asynccontextmanager
async def open_house(
    database_url: str, redis_url: str, folder: Path, *kinds: JobKind, **settings: Any
) -> AsyncIterator[House]:
    """A desk with its interface served; `kinds` beside the two that are always there."""
    async with (
        open_desk(
            database_url,
            redis_url,
            folder,
            a_kind(steps=("probe", "encode")),
            file_kind(),
            *kinds,
            **settings,
        ) as desk,
        serving(web_app(desk)) as url,
        httpx.AsyncClient(base_url=url, timeout=120) as http,
    ):
        yield House(desk, url, http)
