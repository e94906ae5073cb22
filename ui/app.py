"""The composition root of the web process: makes the desk, puts pages and API on one application, serves it."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from services.database.database import Database
from services.desk import Desk
from services.feed import Feed, connect
from services.kinds import load_kinds
from services.people import people
from services.settings import Settings, load_settings
from services.storage.storage import Storage
from services.tracing import flush_spans, set_up_tracing
from tasks.kinds import BUILT_IN
from tasks.queue import TaskiqQueue
from ui.api.app import install_api
from ui.job_views import JobViews
from ui.live import LiveBridge
from ui.pages import audit, download, failures, insights, job, jobs, join, login, new_job, profile, workers
from ui.pages.plain import broken, not_found
from ui.pages.settings import page as settings_page
from ui.security import BrowserGuard
from ui.theme import HEAD, STYLESHEET, STYLESHEET_URL
from ui.visit import Web

logger = logging.getLogger(__name__)

# A lift's or a tunnel's silence. The browser notices a dead server within 8 + 4 s, which NiceGUI derives from this.
_RECONNECT_SECONDS = 10
_SHUTDOWN_SECONDS = 3
_THEME = Path(__file__).parent / "theme"


def make_desk(settings: Settings) -> Desk:
    """The parts that services work with, as a web process has them.

    Raises:
        SettingsError: a kind of the user's own cannot be imported, or a limit is set for one that there is not.
    """
    kinds = load_kinds((*BUILT_IN, *settings.kind_modules)).configured(settings)
    return Desk(
        settings=settings,
        db=Database(settings.effective_database_url),
        queue=TaskiqQueue.connect(settings, kinds),
        feed=Feed(connect(settings.effective_redis_url)),
        storage=Storage.from_settings(settings),
        kinds=kinds,
    )


def create_app(desk: Desk) -> FastAPI:
    """The web: pages, API, and what they share, on one ASGI application. Once per process, since NiceGUI is."""
    web = Web(desk, LiveBridge(desk), JobViews(desk))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await people.ensure_first_user(desk)
        await web.live.start()
        yield
        await web.live.stop()
        await flush_spans()
        await desk.db.close()
        await desk.feed.redis.aclose()

    app = FastAPI(title="Mulligan", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    _install_assets(app)
    login.install(app, web)
    join.install(app, web)
    download.install(app, web)
    jobs.install(web)
    job.install(web)
    new_job.install(web)
    failures.install(web)
    insights.install(web)
    audit.install(web)
    workers.install(web)
    settings_page.install(web)
    profile.install(web)
    ui.add_head_html(HEAD, shared=True)
    install_api(app, desk)
    _install_plain_pages(app)
    ui.run_with(
        app,
        title="Mulligan",
        favicon=_THEME / "mulligan.svg",
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=_RECONNECT_SECONDS,
        show_welcome_message=False,
    )
    app.add_middleware(BrowserGuard, settings=desk.settings)
    return app


def _install_plain_pages(app: FastAPI) -> None:
    """What is at no address of ours, or cannot be made now, looks like Mulligan too, and leads on."""

    @pages.exception_handler(404)
    async def no_such_page(_: Request, __: Exception) -> Response:
        return not_found()

    async def no_page_now(request: Request, error: Exception) -> Response:
        return broken(request, error)

    async def logged(request: Request, error: Exception) -> Response:
        logger.error("a page could not be made", exc_info=error)
        return broken(request, error)

    for kind in (DBAPIError, PoolTimeout, ConnectionError, TimeoutError):
        app.add_exception_handler(kind, logged)
    app.add_exception_handler(Exception, no_page_now)  # raised anew, and so logged by the server


def serve(host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serves until SIGTERM or Ctrl-C. Connections that are still open after three seconds are cut."""
    settings = load_settings()
    _set_up_logs(settings)
    set_up_tracing("mulligan-web")
    config = uvicorn.Config(
        create_app(make_desk(settings)),
        host=host,
        port=port,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        ws_per_message_deflate=False,
    )
    _spare_the_collector()
    uvicorn.Server(config).run()


def _spare_the_collector() -> None:
    """Has memory searched for cycles less often than for a script.

    Each open page keeps thousands of objects, and tells of changes by thousands more that live for a moment. With
    Python's own thresholds, a fifth of the work of a hundred pages was looking through them, in pauses that people saw.
    """
    gc.collect()
    gc.freeze()  # what was imported stays
    gc.set_threshold(50_000, 20, 20)


def _set_up_logs(settings: Settings) -> None:
    """One handler, one format; the server's own chatter only where it warns."""
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        from pythonjsonlogger.json import JsonFormatter

        handler.setFormatter(JsonFormatter("{asctime}{levelname}{name}{message}", style="{"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("services", "ui"):
        logging.getLogger(name).setLevel(settings.log_level)


def _install_assets(app: FastAPI) -> None:
    """Our own few files. The style sheet's address changes with its content."""

    @app.get(STYLESHEET_URL, include_in_schema=False)
    async def stylesheet(_: Request) -> Response:
        return Response(
            STYLESHEET,
            media_type="text/css",
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    @app.get("/assets/mulligan.svg", include_in_schema=False)
    async def logo(_: Request) -> Response:
        return FileResponse(_THEME / "mulligan.svg", headers={"Cache-Control": "public, max-age=86400"})
