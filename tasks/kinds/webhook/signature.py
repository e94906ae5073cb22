"""The headers by which a receiver knows who sent a webhook, and that it has seen it before.

Source of the rules: Standard Webhooks 1.0.0, "Signature scheme" (https://www.standardwebhooks.com).
"""

import base64
import binascii
import hmac
from datetime import datetime
from hashlib import sha256

_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key of a secret: what `whsec_…` encodes; any other secret is the key itself.

    Raises:
        ValueError: there is no key in it.
    """
    if not secret.startswith(_PREFIX):
        if not secret:
            raise ValueError("a secret must not be empty")
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("after whsec_ a secret is written in base64")
    return key


def webhook_headers(message_id: str, at: datetime, payload: bytes, key: bytes | None) -> dict[str, str]:
    """Id, time, and with a key the signature of both and the payload."""
    timestamp = str(int(at.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    if key is not None:
        signed = f"{message_id}.{timestamp}.".encode() + payload
        digest = hmac.new(key, signed, sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
