"""The REST interface as an application of its own, and how it comes into the web's.

Its own, so that its errors, its description and its sign-in are its own too; a gate in front of the web's application
hands it the paths that are its. `python -m ui.api.app` writes its description, which `docs/openapi.json` keeps.
"""

import json
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.applications import Starlette

from services.desk import Desk
from ui.api import (
    account,
    batches,
    channels,
    events,
    failures,
    figures,
    files,
    health,
    insights,
    jobs,
    kinds,
    members,
    operations,
    own,
    retries,
    search,
    views,
    workspace,
)
from ui.api.caller import SIGNED_IN
from ui.api.gate import ApiGate
from ui.api.hub import Hub
from ui.api.problems import Problem, install_problems
from ui.api.reference import reference_page

_DESCRIPTION = """Jobs, retries and what belongs to them.

Sign in with an API token (`Authorization: Bearer TOKEN`, from `mulligan token create EMAIL`) or with the web page's \
session; with the session, changes need a request from our own pages. `?w=SLUG` chooses one of a session's workspaces.

Errors are problem+json (RFC 9457); programs look at `code`."""

_SIGNED_IN_ROUTERS = (
    kinds.router, jobs.router, retries.router, batches.router, files.router, failures.router, figures.router,
    insights.router, operations.router, channels.router, search.router, views.router, events.router,
    members.router, own.router, workspace.router,
)  # fmt: skip
_PROBLEM: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "Refused; `code` says why."},
    "5XX": {"model": Problem, "description": "Something that Mulligan needs does not answer."},
}


def install_api(app: Starlette, desk: Desk) -> None:
    """Puts the interface of a desk onto the web's application, before it starts."""
    app.add_middleware(ApiGate, api=make_api(desk), desk=desk)


def make_api(desk: Desk | None = None) -> FastAPI:
    """The interface. Without a desk it can only be described."""
    api = FastAPI(
        title="Mulligan", version=version("mulligan"), description=_DESCRIPTION,
        openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False, responses=_PROBLEM, separate_input_output_schemas=False,
    )  # fmt: skip
    if desk is not None:
        api.state.desk = desk
        api.state.hub = Hub(desk.feed)
    install_problems(api)
    for router in _SIGNED_IN_ROUTERS:
        api.include_router(router, dependencies=SIGNED_IN)
    for router in (account.sign_in_router, account.router, health.router):
        api.include_router(router)
    _add_description(api)
    return api


def describe(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI description. Errors are problems, everywhere, so FastAPI's own shape of them is left out."""
    description = api.openapi()
    for methods in description["paths"].values():
        for call in methods.values():
            call["responses"].pop("422", None)
            for status in ("4XX", "5XX"):
                content = call["responses"].get(status, {}).get("content", {})
                if "application/json" in content:
                    content["application/problem+json"] = content.pop("application/json")
    for unused in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(unused, None)
    return description


def _add_description(api: FastAPI) -> None:
    @api.get("/api/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(describe(api))

    @api.get("/api/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return HTMLResponse(reference_page(describe(api)), headers={"Content-Security-Policy": policy})


if __name__ == "__main__":
    print(json.dumps(describe(make_api()), indent=2, ensure_ascii=False))  # noqa: T201 - that is its purpose
