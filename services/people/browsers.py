"""What a browser calls itself, shortly: enough to tell one's own sessions apart, and no more is kept."""

_BROWSERS = (
    ("edg", "Edge"), ("opr/", "Opera"), ("firefox", "Firefox"), ("fxios", "Firefox"), ("chrom", "Chrome"),
    ("crios", "Chrome"), ("safari", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("android", "Android"), ("iphone", "iPhone"), ("ipad", "iPad"), ("windows", "Windows"), ("mac os", "macOS"),
    ("cros", "ChromeOS"), ("linux", "Linux"),
)  # fmt: skip


def browser_name(user_agent: str | None) -> str | None:
    """`Firefox on Linux`, of a `User-Agent`; None where it tells neither."""
    said = (user_agent or "")[:500].lower()
    browser = next((name for sign, name in _BROWSERS if sign in said), None)
    system = next((name for sign, name in _SYSTEMS if sign in said), None)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system
