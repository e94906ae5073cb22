"""How people and workspaces may be called."""

import re
import unicodedata

from services.errors import Invalid

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_NAME_LIMIT = 100
_SLUG_LIMIT = 64


def valid_email(email: str) -> str:
    """The email as it is stored: lower case. Raises Invalid where it is none."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise Invalid(f"{email[:100]!r} is no email address.")
    return email


def valid_name(name: str) -> str:
    """A person's name, with single spaces. Raises Invalid where it is empty, too long, or cannot be printed."""
    name = " ".join(name.split())
    if not name or not name.isprintable() or len(name) > _NAME_LIMIT:
        raise Invalid(f"A name has between 1 and {_NAME_LIMIT} characters that can be printed.")
    return name


def valid_workspace(name: str) -> str:
    """A workspace's name, with single spaces. Raises Invalid where it will not do."""
    name = " ".join(name.split())
    if not name.isprintable() or len(name) > _NAME_LIMIT:
        raise Invalid(f"A workspace's name has at most {_NAME_LIMIT} characters that can be printed.")
    slug_of(name)
    return name


def slug_of(name: str) -> str:
    """A workspace's name as it stands in addresses. Raises Invalid where no letter or digit is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_LIMIT].rstrip("-")
    if not slug:
        raise Invalid("A workspace's name needs a letter (a to z) or a digit.")
    return slug
