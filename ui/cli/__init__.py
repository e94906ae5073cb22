"""The command line. A command's module imports what it needs when it runs, so that `mulligan --help` is there at once.

A module here puts its commands on `app` by a function `add_commands`, called below.
"""

import sys

import typer

from ui.cli import channels, failures, jobs, operations, people, run, workspace

app = typer.Typer(
    name="mulligan",
    help="A self-hosted job desk: runs background jobs, shows them live, and gives failed ones another chance.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
run.add_commands(app)
jobs.add_commands(app)
operations.add_commands(app)
failures.add_commands(app)
channels.add_commands(app)
people.add_commands(app)
workspace.add_commands(app)


def main() -> None:
    """The `mulligan` command. What a person can mend is told in one line; a bug shows its trace."""
    try:
        app()
    except Exception as error:
        if not _is_told(error):
            raise
        print(f"mulligan: {error}", file=sys.stderr)
        sys.exit(1)


def _is_told(error: Exception) -> bool:
    from services.errors import MulliganError
    from services.settings import SettingsError

    return isinstance(error, (MulliganError, SettingsError))
