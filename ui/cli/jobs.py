"""`mulligan jobs`: the REST interface from a shell.

Exit codes: 0 done; 1 refused, with the reason on stderr; 2 a wrong command line; 3 nobody answers; 4 with `--wait`, the
job ended, but not completed.
"""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

jobs = typer.Typer(
    help="Jobs: list, show, submit, retry, copy, cancel, pause, resume, dismiss, delete.\n\n"
    "MULLIGAN_TOKEN says who you are.\n\n"
    "Exit codes: 0 done, 1 refused, 2 wrong command line, 3 nobody answers, 4 waited for a job that did not complete.",
    no_args_is_help=True,
)

_UNCOMPLETED = 4
_POLL_SECONDS = 0.5
_LONGEST_POLL_SECONDS = 3.0

Url = Annotated[str, typer.Option(envvar="MULLIGAN_URL", help="Where Mulligan is.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: the interface's own answer.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it until it ends.")]
JobId = Annotated[str, typer.Argument(help="A job's id, or how it begins.")]
Ids = Annotated[
    list[str] | None,
    typer.Argument(help="A job's id, or how it begins. Of several, or with a search, a batch is made."),
]
Query = Annotated[str | None, typer.Option("--q", "-q", help="All jobs that this search finds.")]
Statuses = Annotated[list[str] | None, typer.Option("--status", help="All jobs of it; may be repeated.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")]
HERE = "http://127.0.0.1:8080"


def add_commands(app: typer.Typer) -> None:
    """Puts this module's commands on `app`."""
    app.add_typer(jobs, name="jobs")


@jobs.command("list")
def list_(
    *,
    q: Annotated[
        str | None, typer.Option("--q", "-q", help="A search, as in the page: `status:failed age:<1d`.")
    ] = None,
    status: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    owner: Annotated[str | None, typer.Option(help="An email, or `me`.")] = None,
    sort: Annotated[str, typer.Option(help="newest or oldest.")] = "newest",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 25,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import job_table

    with open_client(url, as_json=as_json) as client:
        page = client.get(
            "/api/jobs", q=q, status=status, kind=kind, owner=owner, sort=sort, limit=limit, cursor=cursor
        )
    if as_json:
        print_json(page)
        return
    for line in job_table(page["items"]):
        print(line)
    print(f"{len(page['items'])} of {page['total']}", file=sys.stderr)
    if page["next_cursor"]:
        print(f"more: --cursor {page['next_cursor']}", file=sys.stderr)


@jobs.command()
def show(job_id: JobId, url: Url = HERE, as_json: Json = False) -> None:
    """Show a job with its history."""
    from ui.cli.client import open_client

    with open_client(url, as_json=as_json) as client:
        _print_job(client.get(_at(client.job_id(job_id))), as_json=as_json)


@jobs.command()
def submit(
    kind: Annotated[str, typer.Argument(help="The kind, as `video.process`.")],
    *,
    arg: Annotated[list[str] | None, typer.Option(help="name=value; may be repeated.")] = None,
    args: Annotated[str | None, typer.Option(help="All arguments as a JSON object.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file to upload as the job's input.")] = None,
    title: Annotated[str | None, typer.Option()] = None,
    max_retries: Annotated[int | None, typer.Option(min=0)] = None,
    run_at: Annotated[str | None, typer.Option(help="Start then: 2026-11-22T14:05:00Z.")] = None,
    priority: Annotated[
        str | None, typer.Option(help="high, normal or low; high is for operators and admins.")
    ] = None,
    wait: Wait = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Submit a job."""
    from ui.cli.client import open_client

    given = _json_object(args)
    with open_client(url, as_json=as_json) as client:
        known = {one["name"]: one for one in client.get("/api/kinds")} if arg or file else {}
        described = known.get(kind, {})
        given |= dict(_named(text, described) for text in arg or [])
        if file:
            given[_upload_field(described, kind)] = client.upload(file)["id"]
        order = {"kind": kind, "args": given, "title": title, "max_retries": max_retries, "run_at": run_at}
        order["priority"] = priority
        job = client.post("/api/jobs", {name: value for name, value in order.items() if value is not None})
        if not as_json and not wait:
            print(job["id"])
            return
        _finish(client, job["id"], wait=wait, as_json=as_json)


@jobs.command()
def retry(
    job_ids: Ids = None,
    *,
    q: Query = None,
    status: Statuses = None,
    from_step: Annotated[
        str | None, typer.Option(help="Start here, with the earlier steps' results.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Begin then: 2026-11-22T14:05:00Z.")] = None,
    when_available: Annotated[
        bool, typer.Option("--when-available", help="If something does not answer, begin when it does.")
    ] = False,
    arg: Annotated[list[str] | None, typer.Option(help="name=value, changed; may be repeated.")] = None,
    args: Annotated[str | None, typer.Option(help="All arguments, as a JSON object.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file to upload as the job's input.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Although the same has never helped.")] = False,
    version: Annotated[
        int | None, typer.Option(help="Only if the job is still at it; default: as it is now.")
    ] = None,
    canary: Annotated[
        int, typer.Option(min=0, help="Of many: retry so many first, go on only if one of them recovers.")
    ] = 0,
    stop_at: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of many: stop where a larger share fails, as 0.5.")
    ] = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Give a job another chance, or many. With --dry-run, the exit code is 1 where it would be refused."""
    from ui.cli.client import REFUSED, open_client, print_json
    from ui.cli.show import plan_page

    if q or status or len(job_ids or []) != 1:
        if from_step or version or at or when_available or arg or args or file or force:
            raise typer.BadParameter(
                "only --dry-run, --canary, --stop-at and --wait are for many jobs; the rest is for one."
            )
        trial = {"canary": canary, "stop_at": stop_at}
        chosen = {"ids": job_ids, "q": q, "status": status, "dry_run": dry_run}
        _batch("/api/retries", "retried", chosen | trial, wait=wait, url=url, as_json=as_json)
        return
    if canary or stop_at is not None:
        raise typer.BadParameter("--canary and --stop-at are for many jobs.")
    (job_id,) = job_ids or []
    with open_client(url, as_json=as_json) as client:
        job_id = client.job_id(job_id)
        plan = client.get(f"{_at(job_id)}/retry")
        edited = _edited(client, plan, arg or [], args, file)
        wish = {
            "from_step": from_step, "args": edited, "at": at, "when_available": when_available, "force": force,
        }  # fmt: skip
        order = {name: value for name, value in wish.items() if value not in (None, False)}
        if dry_run:
            plan = client.post(f"{_at(job_id)}/retry", order | {"dry_run": True})
            print_json(plan) if as_json else print("\n".join(plan_page(plan)))
            raise typer.Exit(0 if plan["allowed"] else REFUSED)
        # The version that was seen: if somebody retries in between, this one is refused instead of being a second.
        answer = client.post(f"{_at(job_id)}/retry", order | {"version": version or plan["version"]})
        if not wait:
            print_json(answer) if as_json else print(
                f"{answer['message']}: {answer['job_id']} is {answer['status']}"
            )
            return
        _finish(client, answer["job_id"], wait=wait, as_json=as_json)


def _edited(
    client: Any, plan: dict[str, Any], arg: list[str], args: str | None, file: Path | None
) -> dict[str, Any] | None:
    """All arguments of the job as they are wished; None where nothing is."""
    if not arg and args is None and file is None:
        return None
    edited = plan["args"] if args is None else _json_object(args)
    kinds = {one["name"]: one for one in client.get("/api/kinds")} if arg or file else {}
    kind = kinds.get(plan["kind"], {})
    edited |= dict(_named(text, kind) for text in arg)
    if file:
        edited[_upload_field(kind, plan["kind"])] = client.upload(file)["id"]
    return edited


@jobs.command()
def copy(
    job_id: JobId,
    *,
    args: Annotated[str | None, typer.Option(help="Other arguments, all, as a JSON object.")] = None,
    title: Annotated[str | None, typer.Option()] = None,
    wait: Wait = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Run a job that is over again, as a new job."""
    from ui.cli.client import open_client

    order = {"args": None if args is None else _json_object(args), "title": title}
    with open_client(url, as_json=as_json) as client:
        wished = {name: value for name, value in order.items() if value is not None}
        job = client.post(f"{_at(client.job_id(job_id))}/copy", wished)
        if not as_json and not wait:
            print(job["id"])
            return
        _finish(client, job["id"], wait=wait, as_json=as_json)


@jobs.command()
def cancel(
    job_ids: Ids = None,
    *,
    q: Query = None,
    status: Statuses = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Cancel a job, or many. A running one stops within two seconds."""
    from ui.cli.client import open_client, print_json

    if q or status or dry_run or len(job_ids or []) != 1:
        order = {"ids": job_ids, "q": q, "status": status, "dry_run": dry_run}
        _batch("/api/cancellations", "cancelled", order, wait=wait, url=url, as_json=as_json)
        return
    (job_id,) = job_ids or []
    with open_client(url, as_json=as_json) as client:
        job_id = client.job_id(job_id)
        job = client.get(_at(job_id))
        job = client.post(f"{_at(job_id)}/cancel", {"version": job["version"]})
        if wait:
            job = _follow(client, job["id"])
    if as_json:
        print_json(job)
    else:
        print(f"{job['id']} is {'being cancelled' if job['cancel_requested_at'] else job['status']}")


@jobs.command()
def delete(
    job_ids: Ids = None,
    *,
    q: Query = None,
    status: Statuses = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Delete jobs that are over, with their files: a batch, also of one."""
    order = {"ids": job_ids, "q": q, "status": status, "dry_run": dry_run}
    _batch("/api/deletions", "deleted", order, wait=wait, url=url, as_json=as_json)


def _batch(path: str, done: str, order: dict[str, Any], *, wait: bool, url: str, as_json: bool) -> None:
    """Many jobs: what it would do, or that it has begun."""
    from ui.cli.client import REFUSED, open_client, print_json
    from ui.cli.show import preview_page

    if not any(order.get(name) for name in ("ids", "q", "status")):
        raise typer.BadParameter("name jobs, or choose them with --q or --status.")
    with open_client(url, as_json=as_json) as client:
        said = {
            name: value for name, value in order.items() if value or (name == "stop_at" and value is not None)
        }
        if ids := client.job_ids(order.get("ids")):
            said["ids"] = ids
        answer = client.post(path, said)
        if order["dry_run"]:
            print_json(answer) if as_json else print("\n".join(preview_page(answer, done)))
            raise typer.Exit(0 if answer["allowed"] else REFUSED)
        if not as_json and not wait:
            print(answer["batch_id"])
            return
        _finish(client, answer["batch_id"], wait=wait, as_json=as_json)


@jobs.command()
def pause(job_id: JobId, url: Url = HERE, as_json: Json = False) -> None:
    """Ask a job to hold on, where its kind can. It keeps its place and what it has done."""
    _flag(job_id, "pause", "holds on", url=url, as_json=as_json)


@jobs.command()
def resume(job_id: JobId, url: Url = HERE, as_json: Json = False) -> None:
    """Let a paused job go on."""
    _flag(job_id, "resume", "goes on", url=url, as_json=as_json)


@jobs.command()
def dismiss(
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="Why it needs no attention.")],
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Say of a failed job that it needs no attention. It stays failed; a retry ends it."""
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        job = client.post(f"{_at(client.job_id(job_id))}/dismiss", {"reason": reason})
    print_json(job) if as_json else print(f"{job['id']} is dismissed")


@jobs.command()
def restore(job_id: JobId, url: Url = HERE, as_json: Json = False) -> None:
    """Undo dismiss: the job needs attention again."""
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        job = client.delete(f"{_at(client.job_id(job_id))}/dismiss")
    print_json(job) if as_json else print(f"{job['id']} needs attention")


def _flag(job_id: str, wish: str, words: str, *, url: str, as_json: bool) -> None:
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        job_id = client.job_id(job_id)
        job = client.get(_at(job_id))
        job = client.post(f"{_at(job_id)}/{wish}", {"version": job["version"]})
    print_json(job) if as_json else print(f"{job['id']} {words}")


def _at(job_id: str) -> str:
    from urllib.parse import quote

    return f"/api/jobs/{quote(job_id, safe='')}"


def _upload_field(described: dict[str, Any], kind: str) -> str:
    field: str | None = described.get("upload_field")
    if not field:
        raise typer.BadParameter(f"{kind} takes no file.", param_hint="--file")
    return field


def _json_object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--args") from None
    if not isinstance(value, dict):
        raise typer.BadParameter('a JSON object is needed, as {"preset": "480p"}', param_hint="--args")
    return value


def _named(text: str, kind: dict[str, Any]) -> tuple[str, Any]:
    """`name=value`; the value is JSON where the kind wants no text there."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not name=value", param_hint="--arg")
    wanted = kind.get("args_schema", {}).get("properties", {}).get(name, {})
    types = {wanted.get("type"), *(option.get("type") for option in wanted.get("anyOf", []))}
    if "string" in types or "$ref" in wanted or "enum" in wanted:
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _finish(client: Any, job_id: str, *, wait: bool, as_json: bool) -> None:
    from services.vocabulary import Status

    job = _follow(client, job_id) if wait else client.get(_at(job_id))
    _print_job(job, as_json=as_json)
    if wait and job["status"] != Status.COMPLETED:
        raise typer.Exit(_UNCOMPLETED)


def _follow(client: Any, job_id: str) -> Any:
    """The job when it has ended; how far it is, on stderr where somebody looks."""
    from services.vocabulary import TERMINAL

    pause, shown = _POLL_SECONDS, ""
    while True:
        job = client.get(_at(job_id))
        if job["finished_at"] and job["status"] in TERMINAL:
            return job
        line = f"{job['status']} {job['progress']:.0f}% {job['step'] or ''}".rstrip()
        if line != shown and sys.stderr.isatty():
            print(f"  {line}", file=sys.stderr)
            shown = line
        time.sleep(pause)
        pause = min(pause * 1.2, _LONGEST_POLL_SECONDS)


def _print_job(job: Any, *, as_json: bool) -> None:
    from ui.cli.client import print_json
    from ui.cli.show import job_page

    if as_json:
        print_json(job)
    else:
        print("\n".join(job_page(job)))
