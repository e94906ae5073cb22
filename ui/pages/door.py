"""The plain pages before somebody is in: one card, a form that needs no script, and how such a form is read."""

import asyncio
from html import escape
from urllib.parse import parse_qsl

import nicegui
from fastapi import Request
from starlette.responses import HTMLResponse

from services.errors import Forbidden, MulliganError
from ui.security import is_same_origin
from ui.theme import HEAD
from ui.visit import Web

# The pages behind it use the same, which the browser then has already.
_FONTS = f"/_nicegui/{nicegui.__version__}/static/fonts.css"
_LARGEST_FORM = 10_000
_MOST_FIELDS = 10
_PATIENCE_SECONDS = 10.0


class UnreadableForm(MulliganError):
    """This is not the form of this page. Sign in here."""

    code = "unreadable_form"
    status = 400


class SlowForm(MulliganError):
    """The form did not arrive in time. Try again."""

    code = "slow_form"
    status = 408


def door(title: str, lead: str, body: str, *, error: MulliganError | None = None) -> HTMLResponse:
    """The page. `lead` is text, `body` is HTML of ours, with whatever somebody typed escaped."""
    alert = f'<p class="alert" role="alert">{escape(error.message)}</p>' if error else ""
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Mulligan</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/assets/mulligan.svg"><link rel="stylesheet" href="{_FONTS}">{HEAD}</head>
<body><main class="door"><div class="card">
<h1 class="brand"><img src="/assets/mulligan.svg" alt="" width="28" height="28"> Mulligan</h1>
<p class="lead">{escape(lead)}</p>{alert}
{body}
</div></main></body></html>"""
    status = error.status if error else 200
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; none where it is too large.

    Raises:
        UnreadableForm, SlowForm: it is no form, or does not come.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LARGEST_FORM:
                    return {}
    except TimeoutError:
        raise SlowForm from None
    try:
        fields = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise UnreadableForm from None
    return {name: value for name, value in fields if "\x00" not in value}


def require_own_form(request: Request, web: Web) -> None:
    """Raises Forbidden for another site's form: it would put a stranger's session under the person's fingers."""
    told = {"origin", "sec-fetch-site", "referer"} & set(request.headers)
    if told and not is_same_origin(request.scope, web.desk.settings):
        raise Forbidden("This form came from another site. Sign in here.")
