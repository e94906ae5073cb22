"""Failed jobs as groups of the same mistake."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.failures.groups import FailureGroup, failure_groups
from services.vocabulary import FailureType
from ui.api.caller import Caller, TheDesk

router = APIRouter(prefix="/api/failures", tags=["failures"])


class FailureGroupOut(BaseModel):
    """Jobs that stand failed for the same reason."""

    fingerprint: str
    kind: str
    message: str = Field(description="Numbers, ids, paths and quoted text are replaced by placeholders.")
    type: FailureType
    advice: str | None
    jobs: int
    first_seen: datetime
    last_seen: datetime
    retried: int = Field(description="Retries after this failure that have ended.")
    recovered: int = Field(description="Those of them that completed.")
    trend: list[int] = Field(
        description="How many of the jobs failed in each of the last 24 hours, oldest first."
    )

    @classmethod
    def of(cls, group: FailureGroup) -> Self:
        """The group as data."""
        return cls(
            fingerprint=group.fingerprint, kind=group.kind, message=group.message, type=group.type,
            advice=group.advice, jobs=group.jobs, first_seen=group.first_seen, last_seen=group.last_seen,
            retried=group.odds.tried, recovered=group.odds.succeeded, trend=list(group.trend),
        )  # fmt: skip


@router.get("")
async def list_failures(desk: TheDesk, actor: Caller) -> list[FailureGroupOut]:
    """Failures, those with the most jobs first, each with how often a retry after it has helped."""
    return [FailureGroupOut.of(group) for group in await failure_groups(desk, actor)]
