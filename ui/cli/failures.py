"""`mulligan failures`: groups of failed jobs, and what is said of them. Exit codes as those of `mulligan jobs`."""

from typing import Annotated, Any

import typer

from ui.cli.jobs import HERE, Json, Url

failures = typer.Typer(
    help="Failures as groups: list them; mute, unmute or note one, for operators and admins.",
    no_args_is_help=True,
)

Fingerprint = Annotated[str, typer.Argument(help="The group's fingerprint, as `list` shows it.")]


def add_commands(app: typer.Typer) -> None:
    """Puts this module's commands on `app`."""
    app.add_typer(failures, name="failures")


@failures.command("list")
def list_(
    muted: Annotated[bool, typer.Option("--muted", help="Those that are muted.")] = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """List the groups, those with the most jobs first."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import plain

    with open_client(url, as_json=as_json) as client:
        groups = client.get("/api/failures", muted=muted)
    if as_json:
        print_json(groups)
        return
    for group in groups:
        odds = (
            f"{group['recovered']} of {group['retried']} retries recovered"
            if group["retried"]
            else "not retried"
        )
        print(
            plain(
                f"{group['fingerprint']}  {group['jobs']:>6}  {group['kind']}  {group['message']}  ({odds})"
            )
        )
        if note := group["note"]:
            print(plain(f"    note by {note['by']}: {note['text']}"))


@failures.command()
def mute(
    fingerprint: Fingerprint,
    until: Annotated[str | None, typer.Option(help="Until then: 2026-11-22T14:05:00Z.")] = None,
    above: Annotated[int | None, typer.Option(min=0, help="Until it has more jobs than that.")] = None,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Keep a group out of the list and out of notifications."""
    _mark(fingerprint, {"mute": {"until": until, "above": above}}, "is muted", url, as_json=as_json)


@failures.command()
def unmute(fingerprint: Fingerprint, url: Url = HERE, as_json: Json = False) -> None:
    """Have it seen again."""
    _mark(fingerprint, {"mute": None}, "is seen again", url, as_json=as_json)


@failures.command()
def note(
    fingerprint: Fingerprint,
    text: Annotated[str, typer.Argument(help="What to say; empty takes the note away.")],
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Write a note on a group, for whoever would retry its jobs."""
    _mark(fingerprint, {"note": text}, "has the note" if text else "has no note", url, as_json=as_json)


def _mark(fingerprint: str, order: dict[str, Any], words: str, url: str, *, as_json: bool) -> None:
    from urllib.parse import quote

    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        mark = client.patch(f"/api/failures/{quote(fingerprint, safe='')}", order)
    print_json(mark) if as_json else print(f"{mark['fingerprint']} {words}")
