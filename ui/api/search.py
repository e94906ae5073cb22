"""What a search could go on with."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from services.jobs.completion import complete
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Wire

router = APIRouter(prefix="/api/search", tags=["jobs"])


class OptionOut(Wire):
    """One way to go on."""

    text: str = Field(
        description="Stands in place of `start` to `end`. One that ends in a colon is gone on with."
    )
    label: str
    hint: str


class CompletionsOut(Wire):
    """The ways to go on, the best first."""

    start: int = Field(description="In characters, from 0.")
    end: int
    options: list[OptionOut]


@router.get("/completions")
async def get_completions(
    desk: TheDesk,
    actor: Caller,
    q: Annotated[str, Query(max_length=500, description="The search so far.")] = "",
    at: Annotated[
        int | None, Query(ge=0, le=500, description="Where the cursor stands; else at the end.")
    ] = None,
) -> CompletionsOut:
    """Fields and values that the search language could go on with at the cursor, of what the caller sees."""
    return CompletionsOut.model_validate(await complete(desk, actor, q, at))
