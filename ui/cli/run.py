"""`mulligan up`, and the parts for many machines: `web`, `worker`, `migrate`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Number of worker processes.")]


def add_commands(app: typer.Typer) -> None:
    """Puts this module's commands on `app`."""
    app.command()(up)
    app.command()(web)
    app.command()(worker)
    app.command()(migrate)
    app.command("first-link", hidden=True)(first_link)


def up(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Workers = 1,
    data: Annotated[Path | None, typer.Option(help="Folder for everything that Mulligan keeps.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Add a workspace with jobs to play with.")] = False,
) -> None:
    """Run the whole thing on this machine: Valkey, database, workers, web. Ctrl-C stops it."""
    from services.settings import load_settings

    settings = load_settings() if data is None else load_settings(data_dir=data)
    arguments = [
        *("--host", host, "--port", str(port), "--workers", str(workers)),
        *("--data", str(settings.data_path)),
    ]
    if settings.redis_url is None:
        arguments += ["--valkey-socket", str(settings.valkey_socket)]
    if settings.aria2_rpc_url is None:
        arguments.append("--aria2")
    if demo:
        arguments.append("--demo")
    os.environ["MULLIGAN_LOG_FORMAT"] = settings.log_format
    # The same process goes on without all that reading the settings has loaded.
    os.execv(sys.executable, [sys.executable, "-m", "ui.up", *arguments])  # noqa: S606


def web(host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Run the web: dashboard and REST interface."""
    from services.settings import load_settings

    load_settings()
    from ui.app import serve

    serve(host=host, port=port)


def worker(workers: Workers = 1) -> None:
    """Run workers: `taskiq worker tasks.broker:broker` with settings that suit Mulligan."""
    from services.settings import load_settings
    from ui.up.commands import worker as command

    load_settings()
    os.execv(sys.executable, command(workers))  # noqa: S606


def migrate() -> None:
    """Bring the database to the newest schema; safe to run again."""
    import asyncio

    from services.settings import load_settings

    url = load_settings().effective_database_url
    from sqlalchemy.exc import DBAPIError

    from services.migrate import upgrade

    try:
        asyncio.run(upgrade(url))
    except (DBAPIError, OSError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        typer.echo(f"mulligan: the database cannot be migrated: {reason}", err=True)
        raise typer.Exit(1) from None


def first_link() -> None:
    """Print the path of a one-time sign-in link where no user exists yet."""
    import asyncio

    from services.people.people import first_link_path
    from services.settings import load_settings

    path = asyncio.run(first_link_path(load_settings()))
    if path:
        print(path)
