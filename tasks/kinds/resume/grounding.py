"""What a model claims, held against the text: what does not stand there is left out, and sums are made anew."""

import re
from datetime import UTC, date, datetime

from tasks.kinds.resume.dates import Period, Point, whole_months
from tasks.kinds.resume.profile import CandidateProfile, Education, Experience, Phone
from tasks.kinds.resume.skills import vocabulary
from tasks.kinds.resume.words import folded

_FEWEST_DIGITS = 6
_TIME = re.compile(r"^(\d{4})(?:-(\d\d))?")


def grounded(claimed: CandidateProfile, text: str) -> tuple[CandidateProfile, list[str]]:
    """The profile with what the text bears out, and a note on what it does not."""
    ground = _Ground(text)
    today = datetime.now(UTC).date()
    periods: list[Period] = []
    experience = [_experience(post, ground, today, periods) for post in claimed.experience]
    profile = CandidateProfile(
        name=ground.keep(claimed.name),
        emails=[email for email in claimed.emails if ground.keep(email)],
        phones=[phone for phone in claimed.phones if ground.has_number(phone)],
        links=[link for link in claimed.links if ground.keep(link)],
        location=ground.keep(claimed.location),
        skills=[skill for skill in claimed.skills if ground.has_skill(skill)],
        experience=[post for post in experience if post.title or post.organisation],
        education=[e for e in (_education(item, ground) for item in claimed.education) if e.degree or e.institution],
        languages=claimed.languages,
        years_of_experience=round(whole_months(periods, today) / 12, 1) if periods else None,
    )  # fmt: skip
    notes = (
        [f"The model named {ground.refused} things that do not stand in the resume; they were left out."]
        if ground.refused
        else []
    )
    return profile, notes


class _Ground:
    """The text, as claims are held against it."""

    def __init__(self, text: str) -> None:
        self.refused = 0
        self._text = folded(text)
        self._digits = re.sub(r"\D", "", text)
        self._skills = set(vocabulary().in_text(text))

    def keep(self, claim: str | None) -> str | None:
        if not claim or all(word in self._text for word in folded(claim).split()):
            return claim or None
        self.refused += 1
        return None

    def has_skill(self, skill: str) -> bool:
        return skill in self._skills or self.keep(skill) is not None

    def has_number(self, phone: Phone) -> bool:
        digits = re.sub(r"\D", "", phone.text)
        stands = len(digits) >= _FEWEST_DIGITS and digits[-9:] in self._digits
        self.refused += not stands
        return stands


def _experience(post: Experience, ground: _Ground, today: date, periods: list[Period]) -> Experience:
    start = _point(post.start)
    end = None if post.end is None or post.end.lower() == "present" else _point(post.end)
    months = None
    if start and (end is None or (end.year, end.month or 12) >= (start.year, start.month or 1)):
        # An end that is not said is none: the post counts for its beginning alone.
        period = Period(start, end if post.end else start, (0, 0))
        periods.append(period)
        months = period.months(today)
    return Experience(
        title=ground.keep(post.title), organisation=ground.keep(post.organisation),
        start=str(start) if start else None, end=str(end) if end else post.end and "present", months=months,
    )  # fmt: skip


def _education(item: Education, ground: _Ground) -> Education:
    return item.model_copy(
        update={"degree": ground.keep(item.degree), "institution": ground.keep(item.institution)}
    )


def _point(text: str | None) -> Point | None:
    match = _TIME.match(text or "")
    if not match or not 1950 <= int(match[1]) <= 2050:
        return None
    month = int(match[2] or 0)
    return Point(int(match[1]), month if 1 <= month <= 12 else None)
