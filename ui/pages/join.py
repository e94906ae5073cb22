"""`/join`: where an invitation leads. Who is new chooses a name and a password, and is in; who has an account accepts
as that account. Both may decline."""

from html import escape
from urllib.parse import quote, urlencode

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.errors import AccountExists, MulliganError, Unauthenticated
from services.people import invitations, passwords, people
from services.people.access import Actor
from services.people.browsers import browser_name
from services.people.invitations import Offer
from ui.pages.door import SlowForm, UnreadableForm, door, read_form, require_own_form
from ui.security import session_cookie, set_session_cookie
from ui.visit import Web

_SIGN_IN = '<a class="btn" href="/login">Sign in</a>'
_DECLINE = '<button class="btn" type="submit" name="answer" value="decline" formnovalidate>Decline</button>'


def install(app: FastAPI, web: Web) -> None:
    """Adds the routes to the application."""

    @app.get("/join", include_in_schema=False)
    async def join_page(request: Request) -> Response:
        token = request.query_params.get("invitation", "")
        try:
            offer = await invitations.look_at(web.desk, token)
        except Unauthenticated as error:
            return _ended(error)
        return _page(offer, token, await _who(web, request))

    @app.post("/join", include_in_schema=False)
    async def join(request: Request) -> Response:
        try:
            form = await read_form(request)
            require_own_form(request, web)
            token = form.get("invitation", "")
            offer = await invitations.look_at(web.desk, token)
        except (UnreadableForm, SlowForm, MulliganError) as error:
            return _ended(error)
        who = await _who(web, request)
        try:
            if form.get("answer") == "decline":
                await invitations.decline(web.desk, token)
                return door("Join", "You have declined. The link opens nothing any more.", _SIGN_IN)
            if offer.has_account:
                return await _accept(web, offer, token, who)
            return await _join(web, request, token, form)
        except AccountExists as error:  # since the page was drawn
            return _page(await invitations.look_at(web.desk, token), token, who, error=error)
        except MulliganError as error:
            return _page(offer, token, who, name=form.get("name", ""), error=error)


async def _accept(web: Web, offer: Offer, token: str, who: Actor | None) -> Response:
    if who is None:
        raise Unauthenticated(f"Sign in as {offer.email} first.")
    slug = await invitations.accept(web.desk, who, token)
    return RedirectResponse(f"/?{urlencode({'w': slug})}", status_code=303)


async def _join(web: Web, request: Request, token: str, form: dict[str, str]) -> Response:
    browser = browser_name(request.headers.get("user-agent"))
    name, password = form.get("name", ""), form.get("password", "")
    signed_in = await invitations.join(web.desk, token, name, password, browser)
    await people.sign_out(web.desk, session_cookie(request.cookies))
    response = RedirectResponse("/", status_code=303)
    set_session_cookie(response, signed_in, scheme=request.url.scheme, settings=web.desk.settings)
    return response


async def _who(web: Web, request: Request) -> Actor | None:
    try:
        return await people.resolve_session(web.desk, session_cookie(request.cookies))
    except Unauthenticated:
        return None


def _page(
    offer: Offer, token: str, who: Actor | None, *, name: str = "", error: MulliganError | None = None
) -> HTMLResponse:
    lead = f"{offer.invited_by} invites you to {offer.workspace}, as {offer.role}."
    if not offer.has_account:
        fields = _new_account(offer, name)
    elif who is not None and who.email == offer.email:
        fields = f"""<p class="muted">You are signed in as {escape(who.email)}.</p>
<button class="btn primary" type="submit" name="answer" value="accept" autofocus>Accept</button>"""
    else:
        fields = _other_account(offer, token, who)
    body = f"""<form method="post" action="/join?invitation={quote(token, safe="")}">
<input type="hidden" name="invitation" value="{escape(token)}">
{fields}
{_DECLINE}
</form>"""
    return door("Join", lead, body, error=error)


def _new_account(offer: Offer, name: str) -> str:
    shortest = passwords.SHORTEST
    return f"""<label for="email">Email</label>
<input class="text" id="email" name="email" type="text" autocomplete="username" readonly value="{escape(offer.email)}">
<label for="name">Your name</label>
<input class="text" id="name" name="name" type="text" autocomplete="name" maxlength="100" required autofocus
 value="{escape(name)}">
<label for="password">Choose a password</label>
<input class="text" id="password" name="password" type="password" autocomplete="new-password" required
 minlength="{shortest}" aria-describedby="password-rule">
<p class="muted rule" id="password-rule">At least {shortest} characters. A few words are better than a riddle.</p>
<button class="btn primary" type="submit" name="answer" value="join">Join</button>"""


def _other_account(offer: Offer, token: str, who: Actor | None) -> str:
    """The way by the sign-in page, and back here."""
    query = urlencode({"next": f"/join?{urlencode({'invitation': token})}", "as": offer.email})
    signed_in = f" You are signed in as {escape(who.email)}." if who else ""
    return f"""<p class="muted">{escape(offer.email)} has an account, which has to accept.{signed_in}</p>
<a class="btn primary" href="/login?{escape(query)}">Sign in as {escape(offer.email)}</a>"""


def _ended(error: MulliganError) -> HTMLResponse:
    return door("Join", "This invitation does not open anything.", _SIGN_IN, error=error)
