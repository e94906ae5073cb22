"""Plain pages, on which nothing is live: what is not there, and what cannot be made now."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from services.database.database import outage_of
from ui.theme import HEAD

_AGAIN_SECONDS = 5
# The page itself stays until there is another: nothing flickers, and no screen reader starts from the top.
_ASK_AGAIN = f"""setInterval(async () => {{
  const answer = await fetch(location.href).catch(() => null);
  if (answer && answer.status !== 503) location.reload();
}}, {_AGAIN_SECONDS * 1000})"""


def not_found(words: str = "There is no such page here.") -> HTMLResponse:
    """What is not there, or not the person's to see: the same page for both, with the status 404."""
    return _plain(404, "Not found", words, '<a class="btn primary" href="/">All jobs</a>')


def broken(request: Request, error: Exception) -> HTMLResponse:
    """A page that could not be made. Where the database is away, it tries again by itself: the address stays.

    What somebody has sent is not sent again; they are told to.
    """
    address = escape(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
    asked = request.method in {"GET", "HEAD"}
    outage = outage_of(error)
    if outage is None:
        words = (
            "Mulligan made a mistake, and its log says more. Nothing was lost. Try again, or go on elsewhere."
        )
        again = f'<a class="btn primary" href="{address}">Try again</a>' if asked else ""
        return _plain(
            500, "Something went wrong on our side", words, f'{again}<a class="btn" href="/">All jobs</a>'
        )
    words = f"{outage.message} Nothing was lost."
    if not asked:
        words += " Go back and send it again in a moment."
        return _plain(503, "That did not go through", words, "")
    words += " This page tries again by itself."
    return _plain(
        503, "One moment", words, f'<a class="btn primary" href="{address}">Try again now</a>', again=True
    )


def _plain(status: int, title: str, words: str, ways_on: str, *, again: bool = False) -> HTMLResponse:
    """`words` is text, `ways_on` HTML of ours. `again`: the browser asks every few seconds whether it can be made."""
    refresh = f"<script>{_ASK_AGAIN}</script>" if again else ""
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": str(_AGAIN_SECONDS)} if again else {})
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Mulligan</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<link rel="icon" href="/assets/mulligan.svg">{HEAD}
</head><body><main class="door"><div class="card plain">
<h1>{escape(title)}</h1><p class="muted">{escape(words)}</p>{ways_on}</div></main></body></html>""",
        status,
        headers,
    )
