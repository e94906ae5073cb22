"""Whole addresses of our own, for links that people hand on."""

from services.settings import Settings


def absolute(settings: Settings, base_url: object, path: str) -> str:
    """Where others reach `path`: by the address that the settings name, else by the one that this request came by."""
    return (settings.public_url or str(base_url)).rstrip("/") + path
