"""The kinds of jobs that this desk knows, with their policies as data."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.errors import PydanticInvalidForJsonSchema

from services.jobs.suggestions import suggest
from services.kinds import JobKind
from services.operations.waiting import would_wait
from services.policy import Check, Price, RetryPolicy
from services.vocabulary import FailureType, RetryMode, Status
from ui.api.caller import Caller, TheDesk
from ui.api.retries import DialogOut

router = APIRouter(prefix="/api/kinds", tags=["kinds"])


class PriceOut(BaseModel):
    """A cost that depends on how many retries there were."""

    model_config = ConfigDict(from_attributes=True)

    credits: int
    free: int = Field(description="So many retries cost nothing.")
    percent: int = Field(description="Of the credits, rounded up.")


class BackoffOut(BaseModel):
    """Exponential, with full jitter."""

    model_config = ConfigDict(from_attributes=True)

    base: float = Field(description="Seconds.")
    cap: float = Field(description="Seconds.")


class AutoRetryOut(BaseModel):
    """Retries that happen by themselves, free of charge."""

    model_config = ConfigDict(from_attributes=True)

    limit: int
    on: list[FailureType]
    backoff: BackoffOut


class PolicyOut(BaseModel):
    """What a retry of the kind means."""

    statuses: list[Status] = Field(description="Which jobs may be retried.")
    mode: RetryMode = Field(
        description="Whether a retry goes on with the record, or puts a new one in its place."
    )
    cost: int = Field(description="Credits for the first retry that a person asks for.")
    price: PriceOut | None = Field(description="How the cost goes on, where it changes.")
    limit: int | None
    counts: bool = Field(description="Whether a retry counts against the limit.")
    checks: list[str]
    resets: list[str]
    keeps: list[str]
    rescues: int
    auto: AutoRetryOut
    dialog: DialogOut


class KindOut(BaseModel):
    """A kind of jobs."""

    name: str
    title: str
    icon: str
    args_schema: dict[str, Any] = Field(description="JSON Schema of `args`.")
    steps: list[str]
    timeout: float = Field(description="Seconds that a run may take.")
    upload_field: str | None = Field(description="The argument that names the upload.")
    address_field: str | None = Field(
        description="The argument that takes the address which the job is about."
    )
    needs: list[str] = Field(description="Engines that a worker must have.")
    concurrency: int | None = Field(description="How many run at a time, over all workers.")
    available: bool = Field(
        description="Whether its jobs would begin: a worker that can run it is online, and it is not paused."
    )
    reason: str | None = Field(description="Why it is not available.")
    retry: PolicyOut

    @classmethod
    def of(cls, kind: JobKind, concurrency: int | None, unavailable: str | None) -> Self:
        """The kind as data."""
        policy = kind.policy
        return cls(
            name=kind.name, title=kind.title, icon=kind.icon, args_schema=_schema(kind), steps=list(kind.steps),
            timeout=kind.timeout, upload_field=kind.upload_field, address_field=kind.address_field,
            needs=list(kind.needs), concurrency=concurrency,
            available=unavailable is None, reason=unavailable,
            retry=PolicyOut(
                statuses=[status for status in Status if status in policy.statuses],
                mode=policy.mode, cost=policy.cost_after(0), price=_price(policy),
                limit=policy.limit, counts=policy.counts,
                checks=[_name(check) for check in policy.checks],
                resets=list(policy.resets), keeps=list(policy.keeps), rescues=policy.rescues,
                auto=AutoRetryOut(
                    limit=policy.auto.limit, on=sorted(policy.auto.on),
                    backoff=BackoffOut.model_validate(policy.auto.backoff),
                ),
                dialog=DialogOut.model_validate(policy.dialog),
            ),
        )  # fmt: skip


@router.get("")
async def list_kinds(
    desk: TheDesk,
    actor: Caller,
    address: Annotated[str | None, Query(description="Only those that suit it, the best first.")] = None,
) -> list[KindOut]:
    """The kinds, by name. Those that Mulligan itself makes jobs of are not among them."""
    waits = await would_wait(desk, actor)
    kinds = [kind for kind in desk.kinds if not kind.name.startswith("system.")]
    return [
        KindOut.of(kind, desk.limits.get(kind.name), waits.get(kind.name))
        for kind in (kinds if address is None else suggest(kinds, address))
    ]


def _price(policy: RetryPolicy) -> PriceOut | None:
    return PriceOut.model_validate(policy.cost) if isinstance(policy.cost, Price) else None


def _schema(kind: JobKind) -> dict[str, Any]:
    try:
        return kind.args_model.model_json_schema()
    except PydanticInvalidForJsonSchema:
        # A type of the user's own that has no JSON form: the kind works all the same.
        return {"type": "object"}


def _name(check: Check) -> str:
    return str(getattr(check, "__name__", type(check).__name__))
