"""`mulligan retries`, `kinds` and `stuck`: for who looks after the desk. Exit codes as those of `mulligan jobs`."""

import sys
from typing import Annotated, Any

import typer

from ui.cli.jobs import HERE, Json, Url

retries = typer.Typer(help="Switch retries off and on, for operators and admins.", no_args_is_help=True)
kinds = typer.Typer(
    help="Pause kinds of jobs and resume them, for operators and admins.", no_args_is_help=True
)
stuck = typer.Typer(
    help="Jobs that stay queued: list them, ring for them again, or fail them.", no_args_is_help=True
)

Kind = Annotated[str | None, typer.Option(help="Of this kind; default: of all.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of stuck jobs, or how they begin.")]
All = Annotated[bool, typer.Option("--all", help="All stuck jobs.")]


def add_commands(app: typer.Typer) -> None:
    """Puts this module's commands on `app`."""
    app.add_typer(retries, name="retries")
    app.add_typer(kinds, name="kinds")
    app.add_typer(stuck, name="stuck")


@retries.command()
def off(
    kind: Kind = None,
    reason: Annotated[str, typer.Option(help="Shown to whoever would retry.")] = "",
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Accept no retries, and start none by themselves, until they are on again."""
    _switch({"off": True, "kind": kind, "reason": reason}, url, as_json=as_json)


@retries.command()
def on(kind: Kind = None, url: Url = HERE, as_json: Json = False) -> None:
    """Accept retries again. What waits meanwhile starts when it is due."""
    _switch({"off": False, "kind": kind}, url, as_json=as_json)


@retries.command()
def status(url: Url = HERE, as_json: Json = False) -> None:
    """Say what is switched off."""
    from ui.cli.client import open_client

    with open_client(url, as_json=as_json) as client:
        _show(client.get("/api/switches"), as_json=as_json)


@kinds.command()
def pause(
    kind: Kind = None,
    reason: Annotated[str, typer.Option(help="Shown to whoever waits.")] = "",
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Let no job begin, until it is resumed. What runs goes on."""
    _pause({"paused": True, "kind": kind, "reason": reason}, url, as_json=as_json)


@kinds.command()
def resume(kind: Kind = None, url: Url = HERE, as_json: Json = False) -> None:
    """Let jobs begin again."""
    _pause({"paused": False, "kind": kind}, url, as_json=as_json)


@kinds.command()
def paused(url: Url = HERE, as_json: Json = False) -> None:
    """Say what is paused."""
    from ui.cli.client import open_client

    with open_client(url, as_json=as_json) as client:
        _show_pauses(client.get("/api/pauses"), as_json=as_json)


def _pause(order: dict[str, Any], url: str, *, as_json: bool) -> None:
    from ui.cli.client import open_client

    sent = {name: value for name, value in order.items() if value is not None}
    with open_client(url, as_json=as_json) as client:
        _show_pauses(client.put("/api/pauses", sent), as_json=as_json)


def _show_pauses(found: Any, *, as_json: bool) -> None:
    from ui.cli.client import print_json
    from ui.cli.show import plain

    if as_json:
        print_json(found)
        return
    for one in found:
        print(plain(f"{one['kind'] or 'every kind'}  paused by {one['by']}  {one['reason']}"))
    if not found:
        print("nothing is paused")


def _switch(order: dict[str, Any], url: str, *, as_json: bool) -> None:
    from ui.cli.client import open_client

    sent = {name: value for name, value in order.items() if value is not None}
    with open_client(url, as_json=as_json) as client:
        _show(client.put("/api/switches/retries", sent), as_json=as_json)


def _show(switches: Any, *, as_json: bool) -> None:
    from ui.cli.client import print_json
    from ui.cli.show import plain

    if as_json:
        print_json(switches)
        return
    for switch in switches["retries"]:
        what = f"Retries of {switch['kind']}" if switch["kind"] else "Retries"
        why = f": {switch['reason']}" if switch["reason"] else ""
        print(plain(f"{what} are off since {switch['at']}, by {switch['by']}{why}"))
    if not switches["retries"]:
        print("Retries are on.")


@stuck.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """List jobs that have been queued for too long, oldest first, and why."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import age, plain

    with open_client(url, as_json=as_json) as client:
        page = client.get("/api/stuck", limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    for item in page["items"]:
        job = item["job"]
        waited = age(job["queued_at"])
        print(plain(f"{job['id']}  {waited:>4}  {job['kind']}  {job['title']}: {item['waiting']['message']}"))
    print(f"{len(page['items'])} of {page['total']}", file=sys.stderr)
    if page["next_cursor"]:
        print(f"more: --cursor {page['next_cursor']}", file=sys.stderr)


@stuck.command()
def kick(job_ids: Ids = None, every: All = False, url: Url = HERE, as_json: Json = False) -> None:
    """Ring for stuck jobs again."""
    _do("kick", "rung for", job_ids, every=every, url=url, as_json=as_json)


@stuck.command()
def fail(job_ids: Ids = None, every: All = False, url: Url = HERE, as_json: Json = False) -> None:
    """Fail stuck jobs, with the reason; they can be retried afterwards."""
    _do("fail", "failed", job_ids, every=every, url=url, as_json=as_json)


def _do(what: str, done: str, job_ids: list[str] | None, *, every: bool, url: str, as_json: bool) -> None:
    from ui.cli.client import open_client, print_json

    if bool(job_ids) == every:
        raise typer.BadParameter("name jobs, or say --all.")
    with open_client(url, as_json=as_json) as client:
        ids = client.job_ids(job_ids)
        answer = client.post(f"/api/stuck/{what}", {"ids": ids} if ids else {})
    if as_json:
        print_json(answer)
    else:
        print(f"{answer['jobs']} {done}")
