"""Which object store the settings mean, and what its errors mean in words."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from services.errors import NotFound, ServiceUnavailable
from services.settings import Settings, SettingsError
from services.storage.presign import Credentials

logger = logging.getLogger(__name__)

# A part of 8 MiB has this long to arrive; a download has it for each read. The whole request may take as long as a
# slow browser needs for a large file.
_READ_SECONDS = 120
_CLIENT = {"connect_timeout": "5s", "read_timeout": f"{_READ_SECONDS}s", "timeout": "24h"}
_RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}


class ObjectMissing(NotFound):
    """The file is no longer in storage."""


class StorageFull(ServiceUnavailable):
    """Storage is full: no space is left on its disk. Free some, then try again."""


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket, on AWS or on a server that speaks its language, and where in it our objects lie."""

    name: str
    prefix: str
    endpoint: str
    region: str
    credentials: Credentials | None
    """None: obstore finds them itself (an instance's role, a web identity)."""

    def url(self, key: str) -> str:
        """The address of an object, in path style, which every server understands."""
        path = "/".join(part for part in (self.name, self.prefix, key) if part)
        return f"{self.endpoint}/{quote(path, safe='/-_.~')}"


def bucket_from(settings: Settings) -> Bucket:
    """The bucket of `s3://bucket/prefix`; what the settings leave open comes from the usual AWS_ variables."""
    parts = urlsplit(settings.effective_storage_url)
    if not parts.netloc:
        raise SettingsError("MULLIGAN_STORAGE_URL: s3:// wants a bucket, as s3://bucket/prefix")
    endpoint = settings.storage_endpoint or _environment(
        "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"
    )
    region = settings.storage_region or _environment("AWS_REGION", "AWS_DEFAULT_REGION")
    region = region or ("auto" if endpoint and "r2.cloudflarestorage.com" in endpoint else "us-east-1")
    return Bucket(
        name=parts.netloc,
        prefix=unquote(parts.path).strip("/"),
        endpoint=(endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/"),
        region=region,
        credentials=_credentials(settings),
    )


def _credentials(settings: Settings) -> Credentials | None:
    if settings.storage_access_key_id and settings.storage_secret_access_key:
        return Credentials(settings.storage_access_key_id, settings.storage_secret_access_key)
    key, secret = _environment("AWS_ACCESS_KEY_ID"), _environment("AWS_SECRET_ACCESS_KEY")
    return (
        Credentials(key, secret, _environment("AWS_SESSION_TOKEN", "AWS_TOKEN")) if key and secret else None
    )


def _environment(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def s3_store(bucket: Bucket) -> S3Store:
    """A store on the bucket; nothing is asked of it yet."""
    config: dict[str, Any] = {
        "endpoint": bucket.endpoint,
        "region": bucket.region,
        "virtual_hosted_style_request": False,
    }
    if bucket.credentials:
        config["access_key_id"] = bucket.credentials.access_key_id
        config["secret_access_key"] = bucket.credentials.secret_access_key
        if bucket.credentials.session_token:
            config["session_token"] = bucket.credentials.session_token
    client: Any = {**_CLIENT, "allow_http": bucket.endpoint.startswith("http://")}
    retries: Any = _RETRIES
    return S3Store(
        bucket.name, prefix=bucket.prefix or None, client_options=client, retry_config=retries, **config
    )


def local_folder(settings: Settings) -> Path:
    """The folder of `file:///folder`."""
    parts = urlsplit(settings.effective_storage_url)
    if parts.netloc not in {"", "localhost"} or not parts.path:
        raise SettingsError("MULLIGAN_STORAGE_URL: file:// wants an absolute folder, as file:///srv/mulligan")
    return Path(unquote(parts.path))


def local_store(folder: Path) -> LocalStore:
    """A store in a folder, which is made where it is new.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder, automatic_cleanup=True)
    except OSError as error:
        raise SettingsError(
            f"MULLIGAN_STORAGE_URL: cannot use the folder {folder}: {error.strerror or error}"
        ) from error


@asynccontextmanager
async def telling(what: str, seconds: float | None, *, writing: bool = False) -> AsyncIterator[None]:
    """Limits the time and turns the store's errors into ours. Nothing but the store's own calls belongs inside.

    Raises:
        ObjectMissing: there is no such object, unless `writing`: then it is the bucket that is missing.
        ServiceUnavailable: the store failed.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError) and not writing:
            raise ObjectMissing(what="file") from None
        # The first line has the address and the store's own words; what follows is Rust's view of it.
        logger.warning("storage: %s: %s", what, str(error).partition("\n")[0] or type(error).__name__)
        raise unavailable(error) from error


_REFUSALS = re.compile(
    r"<Code>(AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken)</Code>"
)
_CAUSES = (
    ("169.254.169.254", "no credentials were found"),
    ("connection refused", "connection refused"),
    ("dns error", "its host name is not known"),
    ("failed to lookup address", "its host name is not known"),
    ("certificate", "its certificate is not trusted"),
    ("timed out", "it did not answer in time"),
    ("timedout", "it did not answer in time"),
    ("error sending request", "the connection failed"),
    ("read-only file system", "its folder is read-only"),
    ("permission denied", "its folder may not be used by this user"),
)


def unavailable(error: BaseException) -> ServiceUnavailable:
    """What an error of the store means for people: without addresses, paths or keys."""
    text = str(error)
    folded = text.lower()
    if "os error 28" in folded or getattr(error, "errno", None) == 28 or "<code>quotaexceeded" in folded:
        return StorageFull(service="Storage")
    refusal = _REFUSALS.search(text)
    if (
        refusal
        or isinstance(error, UnauthenticatedError)
        or (isinstance(error, PermissionDeniedError) and "os error" not in folded)
    ):
        code = f" ({refusal[1]})" if refusal else ""
        advice = "Check the access key, its secret and the permissions of the bucket."
        return ServiceUnavailable(f"Storage refused the credentials{code}. {advice}", service="Storage")
    if "NoSuchBucket" in text:
        return ServiceUnavailable("Storage has no bucket of that name.", service="Storage")
    if isinstance(error, TimeoutError):
        return ServiceUnavailable("Storage does not answer in time.", service="Storage")
    cause = next((words for sign, words in _CAUSES if sign in folded), None) or _status(text)
    return ServiceUnavailable(f"Storage does not answer: {cause}.", service="Storage")


def _status(text: str) -> str:
    status = re.search(r"status code: (\d{3}[^:\n]*)", text)
    return f"it said {status[1].strip()}" if status else "it failed for a reason that the log names"
