"""`/login` and `/logout`: plain pages and forms, so that signing in needs no script and shows at once."""

from html import escape

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.errors import MulliganError, Unauthenticated
from services.people import people
from services.people.access import Actor
from services.people.browsers import browser_name
from services.people.sessions import SignedIn
from ui.pages.door import SlowForm, UnreadableForm, door, read_form, require_own_form
from ui.security import clear_session_cookie, is_same_origin, session_cookie, set_session_cookie
from ui.visit import Web, local_path


def install(app: FastAPI, web: Web) -> None:
    """Adds the routes to the application."""

    @app.get("/login", include_in_schema=False)
    async def login_page(request: Request) -> Response:
        target = local_path(request.query_params.get("next"))
        if link := request.query_params.get("link"):
            # A link that is only looked at, by a mail scanner for instance, must not be used up: a person presses.
            return _page(target, link=link)
        wanted = request.query_params.get("as", "")
        who = await _who(web, request)
        if who and wanted in {"", who.email}:
            return RedirectResponse(target, status_code=303)
        return _page(target, email=wanted)

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        try:
            form = await read_form(request)
        except (UnreadableForm, SlowForm) as error:
            return _page("/", error=error)
        target, email, link = local_path(form.get("next")), form.get("email", ""), form.get("link")
        try:
            require_own_form(request, web)
            signed_in = await _sign_in(web, request, form)
        except MulliganError as error:
            used_up = bool(link) and isinstance(error, Unauthenticated)
            return _page(target, email=email, link=None if used_up else link, error=error)
        # The browser forgets the session that it had, so that one ends.
        await people.sign_out(web.desk, session_cookie(request.cookies))
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
    browser = browser_name(request.headers.get("user-agent"))
    if link := form.get("link"):
        return await people.use_sign_in_link(web.desk, link, browser)
    address = request.client.host if request.client else "unknown"
    return await people.sign_in(web.desk, form.get("email", ""), form.get("password", ""), address, browser)


async def _who(web: Web, request: Request) -> Actor | None:
    try:
        return await people.resolve_session(web.desk, session_cookie(request.cookies))
    except MulliganError:
        return None


def _page(
    target: str, *, email: str = "", link: str | None = None, error: MulliganError | None = None
) -> HTMLResponse:
    fields = _link_fields(link) if link else _password_fields(email)
    lead = "Press the button to come in. The link works once." if link else "Sign in to your job desk."
    body = f"""<form method="post" action="/login">
<input type="hidden" name="next" value="{escape(target)}">
{fields}
<button class="btn primary" type="submit">Sign in</button>
</form>"""
    return door("Sign in", lead, body, error=error)


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
