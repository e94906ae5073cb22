"""What an analysis says of a candidate. Nothing is guessed: what was not found is empty, and its confidence says so."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Confidence = Literal["high", "medium", "low", "not found"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Phone(_Part):
    """A telephone number."""

    text: str = Field(description="As it is written in the resume")
    e164: str | None = Field(
        default=None, description="International form, +49…; null where the country is unknown"
    )


class Experience(_Part):
    """A time at an organisation."""

    title: str | None = None
    organisation: str | None = None
    start: str | None = Field(default=None, description="YYYY or YYYY-MM")
    end: str | None = Field(default=None, description="YYYY, YYYY-MM or 'present'")
    months: int | None = None


class Education(_Part):
    """A degree or a school."""

    degree: str | None = None
    institution: str | None = None
    start: int | None = Field(default=None, description="Year")
    end: int | None = Field(default=None, description="Year; null while it goes on")


class SpokenLanguage(_Part):
    """A language that the candidate speaks."""

    name: str = Field(description="In English, for example German")
    level: str | None = Field(
        default=None, description="A1 to C2, or native, fluent, advanced, intermediate, basic"
    )


class CandidateProfile(_Part):
    """A candidate, as the resume tells."""

    name: str | None = None
    emails: list[str] = []
    phones: list[Phone] = []
    links: list[str] = []
    location: str | None = None
    skills: list[str] = []
    experience: list[Experience] = []
    education: list[Education] = []
    languages: list[SpokenLanguage] = []
    years_of_experience: float | None = Field(
        default=None, description="All times together, overlapping ones once"
    )


class ScorePart(_Part):
    """Points for one thing, and why."""

    name: str
    points: int
    of: int
    why: str


class Score(_Part):
    """0 to 100, against a job description or, without one, for how complete the resume is."""

    total: int
    against: Literal["job description", "completeness"]
    parts: list[ScorePart]
    matched: list[str] = []
    missing: list[str] = []


class Usage(_Part):
    """What a model run took."""

    model: str
    input: int | None = Field(default=None, description="Tokens read")
    output: int | None = Field(default=None, description="Tokens written")
    cost: float | None = Field(default=None, description="In the currency of the configured prices")
    requests: int = 1
    seconds: float = 0


class Finding(_Part):
    """What an analyser found: the profile, how sure it is, and what should be known of it."""

    analyser: str
    profile: CandidateProfile
    confidence: dict[str, Confidence]
    notes: list[str] = []
    usage: Usage | None = None


class Analysis(Finding):
    """The result of a job."""

    score: Score
    language: str | None
    document: dict[str, Any]
    as_of: str
    """The day that "present" means."""
