"""What is not there, or not the person's to see: the same page for both, with the status 404."""

from html import escape

from starlette.responses import HTMLResponse

from ui.theme import HEAD


def not_found(words: str = "There is no such page here.") -> HTMLResponse:
    """A plain page: nothing on it is live."""
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not found · Mulligan</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="/assets/mulligan.svg">{HEAD}
</head><body><main class="door"><div class="card" style="text-align:center">
<h1>Not found</h1><p class="muted" style="margin:8px 0 0">{escape(words)}</p>
<a class="btn primary" href="/">All jobs</a></div></main></body></html>""",
        status_code=404,
        headers={"Cache-Control": "no-store"},
    )
