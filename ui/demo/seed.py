"""Fills the demo's workspace, once, as any client would: through the API, with a token."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from services.database.database import Database
from services.people import people
from services.settings import Settings
from services.vocabulary import Role
from ui.demo.orders import Order, orders

WORKSPACE = "demo"
_FILLED = "filled"
_TOKEN_LIFETIME = timedelta(hours=1)
"""Each start makes one: it is needed for a minute."""
_SECONDS = 30
_CANCEL_TRIES = 20


async def open_workspace(settings: Settings) -> str | None:
    """Lets the first admin into the demo's workspace, and gives a token for it. None: there is no admin."""
    records = people.Records(settings, Database(settings.effective_database_url))
    try:
        admin = await people.first_admin(records)
        if admin is None:
            return None
        if WORKSPACE not in {seat.slug for seat in await people.workspaces_of(records, admin.user_id)}:
            await people.add_user(records, admin.email, workspace="Demo", role=Role.ADMIN)
        return await people.create_token(
            records, admin.email, name="demo", workspace=WORKSPACE, lifetime=_TOKEN_LIFETIME
        )
    finally:
        await records.db.close()


def fill(address: str, token: str, media: Path, server: str) -> int:
    """Makes the jobs, unless that was done before and some are still there. How many.

    Raises:
        httpx.HTTPError: Mulligan does not answer, or refuses.
    """
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=_SECONDS) as api:
        filled = media / _FILLED
        if filled.exists() and _answer(api.get("/api/jobs", params={"limit": 1}))["items"]:
            return 0
        kinds = {kind["name"] for kind in _answer(api.get("/api/kinds"))}
        wanted = [order for order in orders(server) if order.kind in kinds]
        for number, order in enumerate(wanted):
            _make(api, number, order, media)
        filled.touch()
    return len(wanted)


def _make(api: httpx.Client, number: int, order: Order, media: Path) -> None:
    args = dict(order.args)
    if order.file:
        with (media / order.file).open("rb") as file:
            args["upload_id"] = _answer(api.post("/api/uploads", files={"file": (order.file, file)}))["id"]
    body: dict[str, Any] = {"kind": order.kind, "title": order.title, "args": args}
    if order.run_at:
        body["run_at"] = order.run_at.isoformat()
    # The key makes a second start, after a first one that was killed half-way, go on where that stopped.
    job = _answer(api.post("/api/jobs", json=body, headers={"Idempotency-Key": f"demo-{number}"}))
    if order.cancel:
        _cancel(api, job["id"])


def _cancel(api: httpx.Client, job_id: str) -> None:
    for _ in range(_CANCEL_TRIES):
        if api.post(f"/api/jobs/{job_id}/cancel").status_code != httpx.codes.CONFLICT:
            return
        time.sleep(0.1)  # a worker was just claiming it


def _answer(response: httpx.Response) -> Any:
    response.raise_for_status()
    return response.json()
