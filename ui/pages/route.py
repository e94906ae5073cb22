"""How every page is served: who may not come is sent where they may, and a page that cannot be made says why."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from nicegui import ui
from starlette.responses import Response

from services.errors import NotFound, Unauthenticated
from ui.pages.plain import broken, not_found
from ui.visit import to_sign_in

_PATIENCE_SECONDS = 15.0
"""For what must be known before a page can be sent: who comes, and whether it is there. Its lists come later."""

logger = logging.getLogger(__name__)

Build = Callable[..., Awaitable[Response | None]]


def page_at(path: str, title: str | None = None) -> Callable[[Build], Build]:
    """Serves what the function draws, or answers with, at `path`. It takes `request` and the path's parameters.

    It may raise what `enter` raises; a page for a workspace that is not the person's is not found.
    """

    def install(build: Build) -> Build:
        @wraps(build)
        async def guarded(**asked: Any) -> Response | None:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await build(**asked)
            except Unauthenticated:
                return to_sign_in(asked["request"])
            except NotFound:
                return not_found("There is no such workspace here.")
            except Exception as error:
                logger.exception("a page could not be made")
                return broken(asked["request"], error)

        # NiceGUI's own limit ends in a page of its own; ours comes first.
        serve = ui.page(path, title=title and f"{title} · Mulligan", response_timeout=2 * _PATIENCE_SECONDS)
        serve(guarded)
        return build

    return install
