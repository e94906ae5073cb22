"""`mulligan user` and `mulligan token`: people and keys, straight in the database, for whoever runs the machine."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from services.people.people import Records

T = TypeVar("T")

user = typer.Typer(help="People and what they may do.", no_args_is_help=True)
token = typer.Typer(help="Keys for programs.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The person's email.")]


def add_commands(app: typer.Typer) -> None:
    """Puts this module's commands on `app`."""
    app.add_typer(user, name="user")
    app.add_typer(token, name="token")


@user.command("add")
def add(
    email: Email,
    workspace: Annotated[str, typer.Option(help="Made where it is new.")] = "default",
    role: Annotated[
        str | None,
        typer.Option(help="admin, operator, member or viewer. Default: member; admin in a new workspace."),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin.")
    ] = False,
) -> None:
    """Add a user to a workspace, or change their role; without a password, print a one-time sign-in link."""
    from services.people.people import Added, add_user
    from services.vocabulary import Role

    if role is not None and role not in set(Role):
        raise typer.BadParameter(f"{role!r} is none of {', '.join(Role)}.", param_hint="--role")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None

    async def work() -> Added:
        async with _records() as records:
            wanted = Role(role) if role else None
            return await add_user(records, email, workspace=workspace, role=wanted, password=password)

    added = _run(work())
    print(f"{added.user.email} is {added.role} of workspace {added.workspace.slug}.", file=sys.stderr)
    if added.link:
        print("Sign in once, within 24 hours, by:", file=sys.stderr)
        print(f"{_base_url()}{added.link}")


@token.command("create")
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="What it is for.")] = "API token",
    workspace: Annotated[str | None, typer.Option(help="Default: the user's first.")] = None,
) -> None:
    """Print a new API token, once, alone on standard output."""
    from services.people.people import create_token, slug_of

    async def work() -> str:
        async with _records() as records:
            slug = slug_of(workspace) if workspace else None
            return await create_token(records, email, name=name, workspace=slug, by="shell")

    print(_run(work()))


@asynccontextmanager
async def _records() -> AsyncIterator["Records"]:
    """The database, brought to this version's schema: these commands are often the first on a new machine."""
    from services.database.database import Database
    from services.migrate import upgrade
    from services.people.people import Records
    from services.settings import load_settings

    settings = load_settings()
    await upgrade(settings.effective_database_url)
    records = Records(settings, Database(settings.effective_database_url))
    try:
        yield records
    finally:
        await records.db.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _base_url() -> str:
    from services.settings import load_settings

    return (load_settings().public_url or os.environ.get("MULLIGAN_URL") or "http://127.0.0.1:8080").rstrip(
        "/"
    )
