"""Keys that sort by time of creation, and tokens that cannot be guessed."""

import secrets
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then random, so that key order is order of creation."""
    return uuid7()


def first_id_at(moment: datetime) -> UUID:
    """What no id of that moment or later is less than."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def new_token(prefix: str) -> str:
    """A secret of 256 bits, told from others by its prefix."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """What is stored of a token. SHA-256 is enough, since tokens have 256 bits of entropy."""
    return sha256(token.encode()).hexdigest()
