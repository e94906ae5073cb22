"""Secrets at rest: a channel's address, which may hold passwords and tokens, and what signs webhooks.

Encrypted with keys made from `MULLIGAN_SECRET_KEY`, one for each purpose.
"""

import base64
import hmac
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken

from services.errors import MulliganError
from services.settings import Settings

_PURPOSE = b"mulligan.channel.address"


class Unsealable(MulliganError):
    """Its address cannot be read: it was stored with another MULLIGAN_SECRET_KEY. Write it out again."""

    code = "unsealable"
    status = 409


def seal(settings: Settings, text: str, purpose: bytes = _PURPOSE) -> str:
    """The text as it is stored."""
    return _cipher(settings, purpose).encrypt(text.encode()).decode()


def unseal(settings: Settings, sealed: str, purpose: bytes = _PURPOSE) -> str:
    """The text as it was given.

    Raises:
        Unsealable: it was sealed with another key.
    """
    try:
        return _cipher(settings, purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable from None


def _cipher(settings: Settings, purpose: bytes) -> Fernet:
    # A key of its own for each purpose: what signs cookies must not be what encrypts.
    key = hmac.new(settings.signing_key.encode(), purpose, sha256).digest()
    return Fernet(base64.urlsafe_b64encode(key))
