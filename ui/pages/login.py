"""`/login` and `/logout`: plain pages and forms, so that signing in needs no script and shows at once."""

import asyncio
from html import escape
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.errors import Forbidden, MulliganError, Unauthenticated
from services.people import people
from services.people.sessions import SignedIn
from ui.security import clear_session_cookie, is_same_origin, session_cookie, set_session_cookie
from ui.theme import HEAD
from ui.visit import Web, local_path

_LARGEST_FORM = 10_000
_MOST_FIELDS = 10
_PATIENCE_SECONDS = 10.0


class _UnreadableForm(MulliganError):
    """This is not the form of this page. Sign in here."""

    code = "unreadable_form"
    status = 400


class _SlowForm(MulliganError):
    """The form did not arrive in time. Try again."""

    code = "slow_form"
    status = 408


def install(app: FastAPI, web: Web) -> None:
    """Adds the routes to the application."""

    @app.get("/login", include_in_schema=False)
    async def login_page(request: Request) -> Response:
        target = local_path(request.query_params.get("next"))
        if link := request.query_params.get("link"):
            # A link that is only looked at, by a mail scanner for instance, must not be used up: a person presses.
            return _page(target, link=link)
        if await _is_signed_in(web, request):
            return RedirectResponse(target, status_code=303)
        return _page(target)

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        try:
            form = await _form(request)
        except (_UnreadableForm, _SlowForm) as error:
            return _page("/", error=error)
        target, email, link = local_path(form.get("next")), form.get("email", ""), form.get("link")
        try:
            _require_own_form(request, web)
            signed_in = await _sign_in(web, request, form)
        except MulliganError as error:
            used_up = bool(link) and isinstance(error, Unauthenticated)
            return _page(target, email=email, link=None if used_up else link, error=error)
        response = RedirectResponse(target, status_code=303)
        set_session_cookie(response, signed_in, scheme=request.url.scheme, settings=web.desk.settings)
        return response

    @app.post("/logout", include_in_schema=False)
    async def logout(request: Request) -> Response:
        if not is_same_origin(request.scope, web.desk.settings):
            return RedirectResponse("/", status_code=303)
        await people.sign_out(web.desk, session_cookie(request.cookies))
        response = RedirectResponse("/login", status_code=303)
        clear_session_cookie(response, scheme=request.url.scheme, settings=web.desk.settings)
        return response


async def _sign_in(web: Web, request: Request, form: dict[str, str]) -> SignedIn:
    if link := form.get("link"):
        return await people.use_sign_in_link(web.desk, link)
    address = request.client.host if request.client else "unknown"
    return await people.sign_in(web.desk, form.get("email", ""), form.get("password", ""), address)


async def _is_signed_in(web: Web, request: Request) -> bool:
    try:
        await people.resolve_session(web.desk, session_cookie(request.cookies))
    except MulliganError:
        return False
    return True


def _require_own_form(request: Request, web: Web) -> None:
    # Another site's form would put a stranger's session under the person's fingers.
    told = {"origin", "sec-fetch-site", "referer"} & set(request.headers)
    if told and not is_same_origin(request.scope, web.desk.settings):
        raise Forbidden("This form came from another site. Sign in here.")


async def _form(request: Request) -> dict[str, str]:
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LARGEST_FORM:
                    return {}
    except TimeoutError:
        raise _SlowForm from None
    try:
        fields = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise _UnreadableForm from None
    return {name: value for name, value in fields if "\x00" not in value}


def _page(
    target: str, *, email: str = "", link: str | None = None, error: MulliganError | None = None
) -> HTMLResponse:
    alert = f'<p class="alert" role="alert">{escape(error.message)}</p>' if error else ""
    fields = _link_fields(link) if link else _password_fields(email)
    lead = "Press the button to come in. The link works once." if link else "Sign in to your job desk."
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in · Mulligan</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/assets/mulligan.svg">{HEAD}</head>
<body><main class="door"><form class="card" method="post" action="/login">
<h1 class="brand"><img src="/assets/mulligan.svg" alt="" width="28" height="28"> Mulligan</h1>
<p class="lead">{lead}</p>{alert}
<input type="hidden" name="next" value="{escape(target)}">
{fields}
<button class="btn primary" type="submit">Sign in</button>
</form></main></body></html>"""
    status = error.status if error else 200
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


def _password_fields(email: str) -> str:
    focus_email, focus_password = ("", " autofocus") if email else (" autofocus", "")
    return (
        '<label for="email">Email</label>'
        f'<input class="text" id="email" name="email" type="text" inputmode="email" autocomplete="username" '
        f'autocapitalize="none" spellcheck="false" required value="{escape(email)}"{focus_email}>'
        '<label for="password">Password</label>'
        f'<input class="text" id="password" name="password" type="password" autocomplete="current-password" '
        f"required{focus_password}>"
    )


def _link_fields(link: str) -> str:
    return f'<input type="hidden" name="link" value="{escape(link)}">'
