"""`mulligan members`, `token`, `credits`, `workspace`: the settings from a shell. Exit codes as of `mulligan jobs`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.jobs import HERE, Json, Url
from ui.cli.people import token

if TYPE_CHECKING:
    from ui.cli.client import Client

members = typer.Typer(help="Who is in the workspace, for admins.", no_args_is_help=True)
credits_ = typer.Typer(help="The balance, and for admins the way to change it.", no_args_is_help=True)
workspace = typer.Typer(help="What the workspace is set to.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The person's email.")]
RoleName = Annotated[str, typer.Option(help="admin, operator, member or viewer.")]
_PAGE = 200


def add_commands(app: typer.Typer) -> None:
    """Puts this module's commands on `app`."""
    app.add_typer(members, name="members")
    app.add_typer(credits_, name="credits")
    app.add_typer(workspace, name="workspace")


# --- members ----------------------------------------------------------------------------------------------------------


@members.command("list")
def list_members(url: Url = HERE, as_json: Json = False) -> None:
    """List the members, and invitations that nobody has used."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import age, plain

    with open_client(url, as_json=as_json) as client:
        found, invited = _all(client, "/api/members"), _all(client, "/api/invitations")
    if as_json:
        print_json({"members": found, "invitations": invited})
        return
    for one in found:
        print(plain(f"{one['role']:<8}  {one['email']}  {one['name']}, for {age(one['since'])}"))
    for one in invited:
        print(plain(f"{one['role']:<8}  {one['email']}  invited, until {one['expires_at']}"))


@members.command()
def invite(email: Email, role: RoleName = "member", url: Url = HERE, as_json: Json = False) -> None:
    """Invite somebody: print a link that works once, alone on standard output."""
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        invited = client.post("/api/invitations", {"email": email, "role": role})
    if as_json:
        print_json(invited)
    else:
        print(
            f"For {invited['email']}, as {invited['role']}, until {invited['expires_at']}:", file=sys.stderr
        )
        print(invited["link"])


@members.command("role")
def set_role(
    email: Email,
    role: Annotated[str, typer.Argument(help="admin, operator, member or viewer.")],
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Give a member another role."""
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        changed = client.patch(f"/api/members/{_member(client, email)}", {"role": role})
    print_json(changed) if as_json else print(f"{changed['email']} is {changed['role']}")


@members.command()
def remove(email: Email, url: Url = HERE) -> None:
    """Take a member out, or an invitation back. Their jobs stay."""
    from ui.cli.client import open_client

    with open_client(url, as_json=False) as client:
        wanted = email.strip().lower()
        waiting = next((one for one in _all(client, "/api/invitations") if one["email"] == wanted), None)
        client.delete(
            f"/api/invitations/{waiting['id']}" if waiting else f"/api/members/{_member(client, email)}"
        )
    print(f"{wanted} is out")


@members.command()
def link(email: Email, url: Url = HERE, as_json: Json = False) -> None:
    """Print a link that lets a member in once, to choose a new password."""
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        made = client.post(f"/api/members/{_member(client, email)}/sign-in-link")
    print_json(made) if as_json else print(made["link"])


def _member(client: "Client", email: str) -> str:
    wanted = email.strip().lower()
    for one in _all(client, "/api/members"):
        if one["email"] == wanted:
            return str(one["id"])
    raise client.refused(f"{wanted} is no member of this workspace.")


def _all(client: "Client", path: str, **query: Any) -> list[Any]:
    page = client.get(path, limit=_PAGE, **query)
    found = list(page["items"])
    while page["next_cursor"]:
        page = client.get(path, limit=_PAGE, cursor=page["next_cursor"], **query)
        found += page["items"]
    return found


# --- tokens, credits, workspace ---------------------------------------------------------------------------------------


@token.command("list")
def list_tokens(
    every: Annotated[bool, typer.Option("--all", help="Everybody's, for admins.")] = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """List tokens that work, newest first."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import age, plain

    with open_client(url, as_json=as_json) as client:
        found = _all(client, "/api/tokens", all=every or None)
    if as_json:
        print_json(found)
        return
    for one in found:
        used = f"used {age(one['last_used_at'])} ago" if one["last_used_at"] else "never used"
        print(plain(f"{one['id']}  ..{one['ending'] or '?'}  {one['email']}  {one['name']}, {used}"))


@token.command()
def revoke(token_id: Annotated[str, typer.Argument(help="As the list names it.")], url: Url = HERE) -> None:
    """End a token."""
    from urllib.parse import quote

    from ui.cli.client import open_client

    with open_client(url, as_json=False) as client:
        client.delete(f"/api/tokens/{quote(token_id, safe='')}")
    print(f"{token_id} is revoked")


@credits_.command("show")
def show_credits(
    limit: Annotated[int, typer.Option(min=1, max=200, help="Lines of the ledger.")] = 10,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Say the balance, and the last lines of the ledger."""
    from ui.cli.client import open_client, print_json
    from ui.cli.show import plain

    with open_client(url, as_json=as_json) as client:
        said = client.get("/api/credits", limit=limit)
    if as_json:
        print_json(said)
        return
    for one in said["entries"]:
        about = one["note"] or one["job_id"] or ""
        print(
            plain(
                f"{one['created_at']}  {one['amount']:>+6}  {one['balance_after']:>6}  {one['reason']}  {about}"
            )
        )
    print(said["balance"])


@credits_.command("add")
def add_credits(
    amount: Annotated[int, typer.Argument(help="With a minus, after `--`, so many are taken away.")],
    reason: Annotated[str, typer.Option(help="Shown in the ledger.")],
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Add credits; print the new balance."""
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        said = client.post("/api/credits", {"amount": amount, "reason": reason})
    print_json(said) if as_json else print(said["balance"])


@workspace.command("show")
def show_workspace(url: Url = HERE, as_json: Json = False) -> None:
    """Say what the workspace is set to."""
    from ui.cli.client import open_client

    with open_client(url, as_json=as_json) as client:
        _say(client.get("/api/workspace"), as_json=as_json)


@workspace.command("set")
def set_workspace(
    name: Annotated[str | None, typer.Option(help="Another name; the address stays.")] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=0, help="Remove jobs so long after they ended; 0: keep them for ever.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many jobs would go now.")] = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Change the name, or how long jobs are kept."""
    from ui.cli.client import open_client, print_json

    order: dict[str, Any] = {} if name is None else {"name": name}
    if keep_days is not None:
        order["retention_days"] = keep_days or None
    if not order or (dry_run and not keep_days):
        raise typer.BadParameter("say --name or --keep-days; --dry-run is for --keep-days.")
    with open_client(url, as_json=as_json) as client:
        if dry_run:
            said = client.get("/api/workspace/retention", days=keep_days)
            more = "more than " if said["more"] else ""
            print_json(said) if as_json else print(f"{more}{said['jobs']} jobs would go now")
            return
        _say(client.patch("/api/workspace", order), as_json=as_json)


@workspace.command("webhook-secret")
def webhook_secret(
    remove: Annotated[bool, typer.Option("--remove", help="Sign no more.")] = False,
    url: Url = HERE,
    as_json: Json = False,
) -> None:
    """Make a secret that signs webhooks: printed once, alone on standard output. The one of before ends."""
    from ui.cli.client import open_client, print_json

    with open_client(url, as_json=as_json) as client:
        if remove:
            client.delete("/api/workspace/webhook-secret")
            print("Webhooks are not signed any more.", file=sys.stderr)
            return
        made = client.post("/api/workspace/webhook-secret")
    print_json(made) if as_json else print(made["secret"])


def _say(said: dict[str, Any], *, as_json: bool) -> None:
    from ui.cli.client import print_json
    from ui.cli.show import plain

    if as_json:
        print_json(said)
        return
    kept = f"for {said['retention_days']} days after their end" if said["retention_days"] else "for ever"
    print(plain(f"{said['name']} ({said['slug']}): {said['balance']} credits, jobs are kept {kept}"))
