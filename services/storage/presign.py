"""Addresses that let a browser fetch one object for a while: AWS Signature Version 4 in the query.

obstore signs too, but cannot say under which name and type the answer is to be saved, and that has to be signed along.
Source of the rules: AWS, "Authenticating Requests: Using Query Parameters".
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """A key pair, with the session token of temporary ones."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


def presigned_get(
    url: str,
    region: str,
    credentials: Credentials,
    *,
    expires: int,
    response_headers: dict[str, str],
    at: datetime,
) -> str:
    """An address that answers a GET of `url` for `expires` seconds (at most a week) from `at`.

    `response_headers` are the headers that the answer shall carry, as `content-type`.
    """
    parts = urlsplit(url)
    moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": "host",
        **{f"response-{name}": value for name, value in response_headers.items()},
    }
    if credentials.session_token:
        query["X-Amz-Security-Token"] = credentials.session_token
    canonical_query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(query.items()))
    request = f"GET\n{parts.path}\n{canonical_query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = hmac.new(_signing_key(credentials, scope), to_sign.encode(), sha256).hexdigest()
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{canonical_query}&X-Amz-Signature={signature}"


def _signing_key(credentials: Credentials, scope: str) -> bytes:
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), sha256).digest()
    return key


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
