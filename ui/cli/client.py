"""The REST interface from a shell: where it is, with which token, and what its refusals look like."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import typer

DEFAULT_URL = "http://127.0.0.1:8080"

REFUSED = 1
"""Exit code: the desk said no, and why."""
UNREACHABLE = 3
"""Exit code: nobody answers."""

# Shorter than a whole id.
_BEGINNING = re.compile(r"[0-9a-fA-F-]{4,35}(?<![0-9a-fA-F]{32})")
_SHOWN = 5
_THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
_LOCAL_TOKEN_LIFETIME = timedelta(hours=1)
_TIMEOUT = httpx.Timeout(30, connect=5)
# A large upload takes as long as it takes; only silence ends it.
_UPLOAD_TIMEOUT = httpx.Timeout(300, connect=5)


class Client:
    """Calls the interface. A refusal ends the command: its words on stderr, as JSON on stdout where that was wanted."""

    def __init__(self, http: httpx.Client, *, as_json: bool) -> None:
        self._http = http
        self._as_json = as_json

    def get(self, path: str, **query: Any) -> Any:
        """What GET answers."""
        return self._call(
            "GET", path, params={name: value for name, value in query.items() if value is not None}
        )

    def post(self, path: str, body: dict[str, Any] | None = None, *, timeout: float | None = None) -> Any:
        """What POST answers; `timeout` where it may take longer than most, in seconds."""
        more = {"timeout": timeout} if timeout else {}
        return self._call("POST", path, json=body or {}, **more)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """What PUT answers."""
        return self._call("PUT", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """What PATCH answers."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        """What DELETE answers, if anything."""
        return self._call("DELETE", path)

    def job_id(self, text: str) -> str:
        """The id of the one job whose id begins so; pages show the first eight characters."""
        text = text.strip().rstrip("\N{HORIZONTAL ELLIPSIS}")
        if not _BEGINNING.fullmatch(text):
            return text
        found = self.get("/api/jobs", q=f"id:{text}", limit=_SHOWN)
        match found["items"]:
            case [job]:
                return str(job["id"])
            case []:
                raise self.refused(f"There is no job whose id begins with {text}.")
            case several:
                ids = ", ".join(job["id"] for job in several)
                raise self.refused(f"{found['total']} jobs have an id that begins with {text}: {ids}")

    def job_ids(self, texts: list[str] | None) -> list[str] | None:
        """`job_id`, of each."""
        return [self.job_id(text) for text in texts] if texts else texts

    def refused(self, words: str) -> typer.Exit:
        """The end of a command that cannot be carried out, and why."""
        return self._ended(words, REFUSED)

    def upload(self, path: Path) -> Any:
        """Hands a file in, as it is read."""
        try:
            file = path.open("rb")
        except OSError as error:
            raise self._ended(f"{path}: {error.strerror}", REFUSED) from None
        with file:
            form = {"file": (path.name, file)}
            return self._call("POST", "/api/uploads", files=form, timeout=_UPLOAD_TIMEOUT)

    def _call(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            words = str(error) or type(error).__name__
            raise self._ended(f"{self._http.base_url} does not answer: {words}", UNREACHABLE) from None
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            problem = answer.json()
            detail = problem["detail"]
        except (ValueError, KeyError, TypeError):
            raise self._ended(
                f"{self._http.base_url} is not Mulligan: HTTP {answer.status_code}", UNREACHABLE
            ) from None
        if self._as_json:
            print_json(problem)
        raise self._ended(detail, REFUSED)

    def _ended(self, words: str, code: int) -> typer.Exit:
        print(f"mulligan: {words}", file=sys.stderr)
        return typer.Exit(code)


@contextmanager
def open_client(url: str, *, as_json: bool) -> Iterator[Client]:
    """A client for the desk at `url`, with the token in MULLIGAN_TOKEN, or one made here where the desk is here."""
    token = os.environ.get("MULLIGAN_TOKEN") or _local_token(url)
    if token is None:
        print("mulligan: set MULLIGAN_TOKEN; `mulligan token create EMAIL` makes one.", file=sys.stderr)
        raise typer.Exit(REFUSED)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    try:
        # The address of a job whose place another took leads to that one.
        http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, follow_redirects=True)
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    with http:
        yield Client(http, as_json=as_json)


def print_json(value: Any) -> None:
    """For programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _local_token(url: str) -> str | None:
    """A token for the first admin, where this machine's own database is at hand and the desk is on this machine.

    Never for another host: it would be handed a key to a database that is not its own.
    """
    from services.settings import load_settings

    if urlsplit(url).hostname not in _THIS_MACHINE:
        return None
    settings = load_settings()
    if settings.database_url is None and not (settings.data_path / "mulligan.db").exists():
        return None
    made = asyncio.run(_token_of_first_admin(settings))
    if made is None:
        return None
    email, token = made
    print(f"mulligan: no MULLIGAN_TOKEN; acting as {email}, by this machine's database.", file=sys.stderr)
    return token


async def _token_of_first_admin(settings: Any) -> tuple[str, str] | None:
    from services.database.database import Database, is_outage
    from services.people.people import Records, create_token, first_admin

    records = Records(settings, Database(settings.effective_database_url))
    try:
        admin = await first_admin(records)
        if admin is None:
            return None
        token = await create_token(
            records,
            admin.email,
            name="mulligan jobs",
            workspace=admin.workspace_slug,
            lifetime=_LOCAL_TOKEN_LIFETIME,
        )
    except Exception as error:
        if is_outage(error) or "no such table" in str(error) or "does not exist" in str(error):
            return None
        raise
    finally:
        await records.db.close()
    return admin.email, token
