"""`webhook.deliver`: an HTTP request to somebody's endpoint, signed and tried again. System E's policy: a limit."""

import json
import re
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator, model_validator

from services.failures.failures import JobError
from services.guard.addresses import AddressRefused, WebAddress
from services.kinds import job_kind
from services.models import now
from services.notifications.sealing import Unsealable
from services.people import webhook_secret
from services.policy import AutoRetry, Backoff, RetryDialog, RetryPolicy
from services.vocabulary import FailureType, Status
from tasks.context import RunContext
from tasks.kinds import suits
from tasks.kinds.webhook.signature import signing_key, webhook_headers

_MAX_BODY = 1024 * 1024
_MAX_HEADERS = 50
_MAX_HEADER_BYTES = 16 * 1024
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
# What is the connection's own, or Mulligan's to say.
_FORBIDDEN = {
    *(
        "host",
        "content-length",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    ),
    *("webhook-id", "webhook-timestamp", "webhook-signature"),
}


class Method(StrEnum):
    """What is asked of the endpoint."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    GET = "GET"


class WebhookArgs(BaseModel):
    """What to send where."""

    model_config = ConfigDict(extra="forbid")

    url: WebAddress = Field(title="Address", description="The receiver's endpoint, https://…")
    method: Method = Field(default=Method.POST, title="Method", description="")
    body: JsonValue = Field(
        default=None,
        title="Body",
        description="JSON, sent as it stands",
        json_schema_extra={"in_front": True},
    )
    headers: dict[str, str] = Field(
        default={},
        title="Headers",
        description='JSON, as {"Authorization": "Bearer …"}',
        max_length=_MAX_HEADERS,
    )
    secret: SecretStr | None = Field(
        default=None,
        title="Signing secret",
        description="Signs as Standard Webhooks does, instead of the workspace's; whsec_… or a word of your own",
    )
    timeout: float = Field(
        default=30, ge=1, le=300, title="Timeout", description="Seconds that the receiver has for its answer"
    )

    @field_validator("headers")
    @classmethod
    def _harmless(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header")
            if name.lower() in _FORBIDDEN or name.lower().startswith("proxy-"):
                raise ValueError(f"the header {name} is not yours to set")
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"the value of {name} may only hold printable ASCII, no line breaks")
        if sum(len(name) + len(value) for name, value in headers.items()) > _MAX_HEADER_BYTES:
            raise ValueError(f"headers may have {_MAX_HEADER_BYTES} bytes together")
        return headers

    @field_validator("secret")
    @classmethod
    def _usable(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            signing_key(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _sendable(self) -> Self:
        if self.body is not None and self.method == Method.GET:
            raise ValueError("a GET request carries no body")
        if len(self.payload) > _MAX_BODY:
            raise ValueError(f"a body may have {_MAX_BODY} bytes")
        return self

    @property
    def payload(self) -> bytes:
        """The body as it is sent and signed."""
        if self.body is None:
            return b""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


def _title(args: WebhookArgs) -> str:
    # Without its query, which may hold a secret.
    return f"{args.method} {args.url.partition('://')[2].partition('?')[0].partition('#')[0]}"


@job_kind(
    "webhook.deliver",
    title="Deliver a webhook",
    args=WebhookArgs,
    icon="webhook",
    timeout=330,
    policy=RetryPolicy(
        statuses=frozenset({Status.FAILED, Status.TIMEOUT}),
        limit=3,
        resets=("Status → queued", "Error, finish time", "The last answer"),
        keeps=("Address, body, headers and secret", "The webhook-id, by which the receiver knows a repeat"),
        dialog=RetryDialog(
            title="Deliver again?",
            text="The same request is sent again, with the same webhook-id, so that the receiver can tell a repeat.",
        ),
        auto=AutoRetry(limit=5, backoff=Backoff(base=3, cap=600)),
        rescues=1,
    ),
    address_field="url",
    suits=suits.endpoint,
    title_from=_title,
)
async def deliver_webhook(job: RunContext, args: WebhookArgs) -> dict[str, Any]:
    """Sends the request once. The result is the endpoint's answer, also where it means a failure.

    Raises:
        JobError: see docs/features/webhooks.md for what can go wrong.
    """
    import httpx

    from services.guard.http import guarded_client
    from tasks.kinds.webhook import failures
    from tasks.kinds.webhook.delivery import deliver

    secret = await _secret(job, args)
    await job.progress(10, "Waiting for the answer")
    async with guarded_client(job.desk.settings, timeout=args.timeout) as client:
        try:
            answer = await deliver(client, client.build_request(**_request(job, args, secret)), args.timeout)
        except (AddressRefused, TimeoutError, httpx.TransportError) as error:
            trouble = failures.from_trouble(error, args.timeout)
            await job.log(trouble.message)
            raise trouble from None
    await job.log(f"{args.method} answered with {answer.status} in {answer.seconds:.2f} s")
    result = {"response": answer.as_json((*job.secrets, *filter(None, [secret]))), "webhook_id": str(job.id)}
    if failed := failures.from_answer(answer, now()):
        job.so_far = result
        raise failed
    return result


async def _secret(job: RunContext, args: WebhookArgs) -> str | None:
    """What signs it: the job's own secret, else the workspace's, where it has one."""
    if args.secret:
        return args.secret.get_secret_value()
    try:
        return await webhook_secret.of_workspace(job.desk, job.workspace_id)
    except Unsealable:
        raise JobError(
            "The workspace's signing secret cannot be read on this worker",
            failure_type=FailureType.ENVIRONMENT,
            advice="Web and workers need the same MULLIGAN_SECRET_KEY. Give it to the worker, or make another secret.",
        ) from None


def _request(job: RunContext, args: WebhookArgs, secret: str | None) -> dict[str, Any]:
    """What httpx makes the request of."""
    key = signing_key(secret) if secret else None
    payload = args.payload
    defaults = {"User-Agent": "Mulligan-Webhook", "Accept": "*/*", "Accept-Encoding": "identity"}
    if args.body is not None:
        defaults["Content-Type"] = "application/json"
    given = {name.lower() for name in args.headers}
    headers = {name: value for name, value in defaults.items() if name.lower() not in given}
    return {
        "method": args.method,
        "url": args.url,
        "headers": headers | args.headers | webhook_headers(str(job.id), now(), payload, key),
        "content": payload or None,
    }
