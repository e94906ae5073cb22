"""`/join`: where an invitation leads. Whoever holds it chooses a name and a password, and is in."""

from html import escape
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.errors import MulliganError, Unauthenticated
from services.people import invitations, passwords
from services.people.browsers import browser_name
from services.people.invitations import Offer
from ui.pages.door import SlowForm, UnreadableForm, door, read_form, require_own_form
from ui.security import set_session_cookie
from ui.visit import Web


def install(app: FastAPI, web: Web) -> None:
    """Adds the routes to the application."""

    @app.get("/join", include_in_schema=False)
    async def join_page(request: Request) -> Response:
        token = request.query_params.get("invitation", "")
        try:
            offer = await invitations.look_at(web.desk, token)
        except Unauthenticated as error:
            return _ended(error)
        return _page(offer, token)

    @app.post("/join", include_in_schema=False)
    async def join(request: Request) -> Response:
        try:
            form = await read_form(request)
            require_own_form(request, web)
            token = form.get("invitation", "")
            offer = await invitations.look_at(web.desk, token)
        except (UnreadableForm, SlowForm, MulliganError) as error:
            return _ended(error)
        browser = browser_name(request.headers.get("user-agent"))
        name, password = form.get("name", ""), form.get("password", "")
        try:
            signed_in = await invitations.accept(web.desk, token, name, password, browser)
        except MulliganError as error:
            return _page(offer, token, name=name, error=error)
        if signed_in is None:
            return RedirectResponse("/login", status_code=303)
        response = RedirectResponse("/", status_code=303)
        set_session_cookie(response, signed_in, scheme=request.url.scheme, settings=web.desk.settings)
        return response


def _page(offer: Offer, token: str, *, name: str = "", error: MulliganError | None = None) -> HTMLResponse:
    lead = f"{offer.invited_by} invites you to {offer.workspace}, as {offer.role}."
    shortest = passwords.SHORTEST
    body = f"""<form method="post" action="/join?invitation={quote(token, safe="")}">
<input type="hidden" name="invitation" value="{escape(token)}">
<label for="email">Email</label>
<input class="text" id="email" name="email" type="text" autocomplete="username" readonly value="{escape(offer.email)}">
<label for="name">Your name</label>
<input class="text" id="name" name="name" type="text" autocomplete="name" maxlength="100" required autofocus
 value="{escape(name)}">
<label for="password">Choose a password</label>
<input class="text" id="password" name="password" type="password" autocomplete="new-password" required
 minlength="{shortest}" aria-describedby="password-rule">
<p class="muted rule" id="password-rule">At least {shortest} characters. A few words are better than a riddle.</p>
<button class="btn primary" type="submit">Join</button>
</form>"""
    return door("Join", lead, body, error=error)


def _ended(error: MulliganError) -> HTMLResponse:
    way_on = '<a class="btn" href="/login">Sign in</a>'
    return door("Join", "This invitation does not open anything.", way_on, error=error)
