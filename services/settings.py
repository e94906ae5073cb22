"""Settings from the environment (prefix `MULLIGAN_`) or `.env`; a wrong value is one clear line."""

import re
import secrets
import tempfile
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# A unix socket address holds 108 bytes on Linux, 104 on macOS.
_MAX_SOCKET_PATH = 100
_RATE = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,3})?([smh])")
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Rate:
    """At most `limit` in any `seconds`."""

    limit: int
    seconds: int

    @property
    def span(self) -> str:
        """The time in words."""
        return {1: "a second", 60: "a minute", 3600: "an hour"}.get(self.seconds, f"{self.seconds} s")


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it in one line."""


class Settings(BaseSettings):
    """Everything that can be set. Times are seconds, sizes bytes."""

    model_config = SettingsConfigDict(env_prefix="MULLIGAN_", env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Path("data")
    database_url: str | None = None
    redis_url: str | None = None
    storage_url: str | None = None
    storage_endpoint: str | None = None
    storage_region: str | None = None
    storage_access_key_id: str | None = None
    storage_secret_access_key: str | None = None
    secret_key: str | None = None

    admin_email: str | None = None
    admin_password: str | None = None
    initial_credits: int = Field(default=100, ge=0)
    retries_enabled: bool = True
    retries_per_person: str = "300/1m"
    """At most so many retries in any such time; empty: no limit. Batches and automatic ones are not counted."""
    retries_per_job: str = "10/1m"
    allow_private_urls: bool = False
    kinds: str = ""
    concurrency: str = ""

    resume_retries: int = Field(default=3, ge=0, le=1_000)
    resume_days: float = Field(default=0, ge=0, le=36_500)
    """After how many days an analysis is erased with its resume; 0: never."""
    llm_url: str | None = None
    llm_model: str | None = Field(default=None, validate_default=True)
    llm_key: str | None = None
    llm_timeout_seconds: float = Field(default=60, gt=0, le=140)
    llm_input_price: float | None = Field(default=None, ge=0)
    """Of a million tokens, in whatever currency."""
    llm_output_price: float | None = Field(default=None, ge=0)

    aria2_rpc_url: str | None = None
    aria2_rpc_secret: str | None = None
    download_folder: Path | None = None
    """Where downloads lie until they are stored: seen by aria2 and by the workers under the same path."""
    download_quota_bytes: int = Field(default=0, ge=0)
    """What the stored downloads of one owner may take together; 0: no limit."""
    download_free_bytes: int = Field(default=10**9, ge=0)
    """What must stay free on the disk."""

    lease_seconds: float = Field(default=30, ge=2, le=3600)
    max_upload_bytes: int = Field(default=20 * 2**30, gt=0)
    max_download_bytes: int = Field(default=20 * 2**30, gt=0)
    upload_days: float = Field(default=1, gt=0, le=3650)
    notify_rate: str = "5/5m"
    """At most so many messages one by one to a channel in any such time; the rest is gathered into one."""
    notify_timeout_seconds: float = Field(default=20, ge=1, le=120)
    kick_timeout_seconds: float = Field(default=2, gt=0, le=60)
    stuck_seconds: float = Field(default=3600, gt=0)
    session_days: int = Field(default=30, ge=1)
    public_url: str | None = None
    trusted_proxies: str = "127.0.0.1"
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator(
        *("database_url", "redis_url", "storage_url", "secret_key", "public_url"),
        *("storage_endpoint", "storage_region", "storage_access_key_id", "storage_secret_access_key"),
        *("aria2_rpc_url", "aria2_rpc_secret", "download_folder"),
        *("llm_url", "llm_model", "llm_key", "llm_input_price", "llm_output_price"),
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value or None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value and not value.startswith(("sqlite", "postgres")):
            raise ValueError("expected sqlite:///file or postgresql://user:password@host/name")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: str | None) -> str | None:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("expected redis://host:6379/0, rediss://… or unix:///socket")
        return value

    @field_validator("storage_url")
    @classmethod
    def _known_storage(cls, value: str | None) -> str | None:
        if value and not value.startswith(("file:///", "s3://")):
            raise ValueError("expected file:///folder or s3://bucket/prefix")
        return value

    @field_validator("aria2_rpc_url")
    @classmethod
    def _json_rpc(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("expected http://host:6800/jsonrpc")
        return value

    @field_validator("retries_per_person", "retries_per_job")
    @classmethod
    def _is_a_rate(cls, value: str) -> str:
        if value.strip() and not _RATE.fullmatch(value.strip()):
            raise ValueError("expected a number of retries in a time, as 10/1m (s, m or h), or nothing")
        return value.strip()

    @field_validator("notify_rate")
    @classmethod
    def _is_a_pace(cls, value: str) -> str:
        if not _RATE.fullmatch(value.strip()):
            raise ValueError("expected a number of messages in a time, as 5/5m (s, m or h)")
        return value.strip()

    @field_validator("llm_url")
    @classmethod
    def _http_base(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("expected the base address of an OpenAI-compatible interface, https://host/v1")
        return value

    @field_validator("llm_model")
    @classmethod
    def _model_of_endpoint(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("llm_url") and not value:
            raise ValueError("name the model to ask at MULLIGAN_LLM_URL")
        return value

    @field_validator("storage_endpoint")
    @classmethod
    def _http_endpoint(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("expected https://host, without the bucket")
        return value

    @field_validator("concurrency")
    @classmethod
    def _limits(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            name, _, count = part.partition("=")
            if not name.strip() or not count.strip().isdecimal() or int(count) < 1:
                raise ValueError("expected KIND=COUNT, comma-separated, as resume.analyse=5,video.process=2")
        return value

    @cached_property
    def concurrency_limits(self) -> dict[str, int]:
        """Kinds of which only so many run at a time over all workers, whatever they declare."""
        pairs = (part.partition("=") for part in self.concurrency.split(",") if part.strip())
        return {name.strip(): int(count) for name, _, count in pairs}

    @cached_property
    def data_path(self) -> Path:
        """The data folder, absolute."""
        return self.data_dir.expanduser().resolve()

    @cached_property
    def downloads(self) -> Path:
        """Where downloads lie until they are stored, absolute."""
        return (self.download_folder or self.data_path / "downloads").expanduser().resolve()

    @cached_property
    def rate_per_person(self) -> Rate | None:
        """How often one person may retry; None: as often as they like."""
        return _rate(self.retries_per_person)

    @cached_property
    def rate_per_job(self) -> Rate | None:
        """How often one job may be retried; None: as often as its policy lets."""
        return _rate(self.retries_per_job)

    @cached_property
    def pace_per_channel(self) -> Rate:
        """How many messages a channel gets one by one, and in what time."""
        return _rate(self.notify_rate) or Rate(5, 300)

    @cached_property
    def effective_database_url(self) -> str:
        """The database: what was set, else a SQLite file in the data folder."""
        return self.database_url or f"sqlite:///{self.data_path / 'mulligan.db'}"

    @cached_property
    def valkey_socket(self) -> Path:
        """Where the embedded Valkey listens; a short name in the temp folder where the data folder's is too long."""
        socket = self.data_path / "valkey.sock"
        if len(str(socket).encode()) <= _MAX_SOCKET_PATH:
            return socket
        name = sha256(str(self.data_path).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"mulligan-{name}.sock"

    @cached_property
    def effective_redis_url(self) -> str:
        """Redis: what was set, else the embedded server's socket."""
        return self.redis_url or f"unix://{self.valkey_socket}"

    @cached_property
    def effective_storage_url(self) -> str:
        """Object storage: what was set, else a folder in the data folder."""
        return self.storage_url or f"file://{self.data_path / 'storage'}"

    @cached_property
    def kind_modules(self) -> tuple[str, ...]:
        """Modules with job kinds of the user's own."""
        return tuple(name.strip() for name in self.kinds.split(",") if name.strip())

    @cached_property
    def signing_key(self) -> str:
        """The key that signs cookies and links: what was set, else one made once and kept in the data folder."""
        if self.secret_key:
            return self.secret_key
        path = self.data_path / "secret.key"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x") as file:
                path.chmod(0o600)
                file.write(secrets.token_urlsafe(48))
        except FileExistsError:
            pass
        return path.read_text().strip()


def _rate(text: str) -> Rate | None:
    found = _RATE.fullmatch(text)
    return Rate(int(found[1]), int(found[2] or 1) * _UNITS[found[3]]) if found else None


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: a value is wrong; the message says which in one line.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_in_one_line(error)) from None


def _in_one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    message = first["msg"].removeprefix("Value error, ")
    shown = (
        ""
        if any(word in name for word in ("SECRET", "PASSWORD", "URL", "KEY"))
        else f" (got {first['input']!r})"
    )
    return f"MULLIGAN_{name}: {message}{shown}"
