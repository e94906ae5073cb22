"""`mulligan channels`: where people are told what happened. Exit codes as those of `mulligan jobs`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.jobs import HERE, Json, Url

if TYPE_CHECKING:
    from ui.cli.client import Client

channels = typer.Typer(
    help="Channels for notifications: your own, and the workspace's for admins.", no_args_is_help=True
)

Which = Annotated[str, typer.Argument(help="A channel's name, or how its id begins.")]
_SHORTEST = 4
# Reading an address and sending are a process of their own at the desk, which may wait for the other side.
_PATIENCE_SECONDS = 120.0


def add_commands(app: typer.Typer) -> None:
    """Puts this module's commands on `app`."""
    app.add_typer(channels, name="channels")


@channels.command("list")
def list_(url: Url = HERE, as_json: Json = False) -> None:
    """List your own channels, and for admins the workspace's."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import plain

    with open_client(url, as_json=as_json) as client:
        found = client.get("/api/channels")["items"]
    if as_json:
        print_json(found)
        return
    for one in found:
        print(plain(_line(one)))


@channels.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    for_workspace: Annotated[
        bool, typer.Option("--workspace", help="Of everybody's jobs, for admins.")
    ] = False,
    event: Annotated[list[str] | None, typer.Option(help="News that go there; may be repeated.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only jobs of it; may be repeated.")] = None,
    only_own: Annotated[bool, typer.Option("--only-own", help="Only jobs of your own.")] = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Add a channel. Its address, an Apprise URL and a secret, is read from standard input."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import plain

    # Not an argument: those stand in the shell's history and in the list of processes.
    address = (
        typer.prompt("Address", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    )
    order: dict[str, Any] = {"name": name, "address": address.strip(), "for_workspace": for_workspace}
    order |= {"events": event} if event else {}
    with open_client(url, as_json=as_json) as client:
        made = client.post(
            "/api/channels", order | {"kinds": kind or [], "only_own": only_own}, timeout=_PATIENCE_SECONDS
        )
    print_json(made) if as_json else print(plain(_line(made)))


@channels.command("test")
def try_out(channel: Which, url: Url = HERE, as_json: Json = False) -> None:
    """Send a test, and say what came back."""
    from ui.cli.client import REFUSED, open_client, print_json
    from ui.cli.show import plain

    with open_client(url, as_json=as_json) as client:
        said = client.post(f"/api/channels/{_find(client, channel)['id']}/test", timeout=_PATIENCE_SECONDS)
    if as_json:
        print_json(said)
    elif said["ok"]:
        print("It has taken the test")
    else:
        print(plain(f"mulligan: it did not get through: {said['said']}"), file=sys.stderr)
    if not said["ok"]:
        raise typer.Exit(REFUSED)


@channels.command()
def on(channel: Which, url: Url = HERE, as_json: Json = False) -> None:
    """Send there again."""
    _turn(channel, url, on=True, as_json=as_json)


@channels.command()
def off(channel: Which, url: Url = HERE, as_json: Json = False) -> None:
    """Send nothing there. What waits to be sent is dropped."""
    _turn(channel, url, on=False, as_json=as_json)


@channels.command()
def remove(channel: Which, url: Url = HERE) -> None:
    """Remove a channel, with what waits to be sent there."""
    from ui.cli.client import open_client
    from ui.cli.show import plain

    with open_client(url, as_json=False) as client:
        found = _find(client, channel)
        client.delete(f"/api/channels/{found['id']}")
    print(plain(f"{found['name']} is removed"))


def _turn(channel: str, url: str, *, on: bool, as_json: bool) -> None:
    from ui.cli.client import open_client, print_json
    from ui.cli.show import plain

    with open_client(url, as_json=as_json) as client:
        changed = client.patch(f"/api/channels/{_find(client, channel)['id']}", {"on": on})
    print_json(changed) if as_json else print(plain(_line(changed)))


def _find(client: "Client", channel: str) -> dict[str, Any]:
    """The one of that name, or whose id begins so."""
    every = client.get("/api/channels")["items"]
    found = [one for one in every if one["name"] == channel]
    if not found and len(channel) >= _SHORTEST:
        found = [one for one in every if one["id"].startswith(channel.lower())]
    if len(found) == 1:
        one: dict[str, Any] = found[0]
        return one
    if not found:
        raise client.refused(f"You have no channel {channel!r}.")
    raise client.refused(f"{len(found)} channels are called so: {', '.join(one['id'] for one in found)}")


def _line(one: dict[str, Any]) -> str:
    state = "off" if not one["on"] else f"failing: {one['trouble']}" if one["failing_since"] else "on"
    whose = "workspace" if one["for_workspace"] else "own"
    return f"{one['id']}  {whose:<9}  {one['name']}  {one['service']}  {state}  ({', '.join(one['events'])})"
