"""Points for a candidate, by rules that anybody can follow: the same resume always gets the same, and is told why."""

import re
from collections import Counter
from collections.abc import Sequence

from tasks.kinds.resume.profile import CandidateProfile, Score, ScorePart
from tasks.kinds.resume.sections import WORDS_OF
from tasks.kinds.resume.skills import vocabulary
from tasks.kinds.resume.words import folded, tokens, word_set

# Parts that a job description says nothing about are left out, and the others weigh more.
_SKILLS, _EXPERIENCE, _KEYWORDS = 50, 25, 25
_MOST_KEYWORDS = 25
_SHORTEST_KEYWORD = 5
# Endings differ (develop, developer, Entwicklung): so many letters are compared.
_STEM = 6
_YEARS = re.compile(
    r"(\d{1,2})\s*\+?\s*(?:(?:-|–|to|bis|a|à)\s*\d{1,2}\s*)?(?:years?|yrs?|jahren?|jahre|ans|annees|anos)\b"
)
_FILLERS = word_set(
    "about above after again along their there these those which while would could should other looking candidate "
    "candidates company working experience years skills requirements required responsibilities position offer strong "
    "knowledge ability including within across plus nice ideal ideally join help great opportunity benefits salary "
    "unser unsere unseren sowie werden haben ihnen ihre ihren eines einer diese dieser durch wurden konnen kenntnisse "
    "erfahrung mindestens jahre jahren aufgaben profil bieten suchen stelle unternehmen notre votre vous nous leurs "
    "cette etre avoir annees competences poste entreprise recherchons profil missions minimum nuestra nuestro buscamos "
    "empresa puesto anos conocimientos requisitos ofrecemos funciones experiencia trabajo minimo"
)


def score_against(profile: CandidateProfile, text: str, description: str) -> Score:
    """How well a resume fits a job description: skills, years, and the words that it dwells on."""
    skills, matched, missing = _skills_part(profile, description)
    parts = [skills, _years_part(profile, description), _words_part(text, description)]
    counted = [part for part in parts if part is not None]
    return Score(
        total=_total(counted), against="job description", parts=counted, matched=matched, missing=missing
    )


def score_completeness(profile: CandidateProfile) -> Score:
    """How much of what a resume should hold was found."""
    wanted = (
        ("name", 10, bool(profile.name)),
        ("email", 15, bool(profile.emails)),
        ("phone", 10, bool(profile.phones)),
        ("experience", 25, bool(profile.experience)),
        ("education", 15, bool(profile.education)),
        ("skills", 15, len(profile.skills) >= 3),
        ("languages", 10, bool(profile.languages)),
    )
    parts = [
        ScorePart(name=name, points=points if there else 0, of=points, why="found" if there else "not found")
        for name, points, there in wanted
    ]
    return Score(total=_total(parts), against="completeness", parts=parts)


def _total(parts: Sequence[ScorePart]) -> int:
    of = sum(part.of for part in parts)
    return round(100 * sum(part.points for part in parts) / of) if of else 0


def _skills_part(
    profile: CandidateProfile, description: str
) -> tuple[ScorePart | None, list[str], list[str]]:
    wanted = list(dict.fromkeys([*vocabulary().in_text(description), *_own(profile, description)]))
    if not wanted:
        return None, [], []
    has = set(profile.skills)
    matched = [skill for skill in wanted if skill in has]
    missing = [skill for skill in wanted if skill not in has]
    why = f"{len(matched)} of the {len(wanted)} skills that the job description names"
    points = round(_SKILLS * len(matched) / len(wanted))
    return ScorePart(name="skills", points=points, of=_SKILLS, why=why), matched, missing


def _own(profile: CandidateProfile, description: str) -> list[str]:
    """Skills of the candidate outside the vocabulary that the description names as well."""
    known, plain = (
        set(vocabulary().anywhere.values()) | set(vocabulary().listed.values()),
        folded(description),
    )
    return [
        s
        for s in profile.skills
        if s not in known and re.search(rf"(?<!\w){re.escape(folded(s))}(?!\w)", plain)
    ]


def _years_part(profile: CandidateProfile, description: str) -> ScorePart | None:
    wanted = max((int(years) for years in _YEARS.findall(folded(description))), default=0)
    if not wanted:
        return None
    years = profile.years_of_experience
    if years is None:
        return ScorePart(
            name="experience", points=0, of=_EXPERIENCE, why=f"{wanted} years wanted; no times were found"
        )
    why = f"{years:g} years found, {wanted} wanted"
    return ScorePart(
        name="experience", points=round(_EXPERIENCE * min(1, years / wanted)), of=_EXPERIENCE, why=why
    )


def _words_part(text: str, description: str) -> ScorePart | None:
    wanted = _keywords(description)
    if not wanted:
        return None
    has = {token[:_STEM] for token in tokens(text)}
    found = [word for word in wanted if word[:_STEM] in has]
    why = f"{len(found)} of the {len(wanted)} words that the job description dwells on"
    return ScorePart(
        name="keywords", points=round(_KEYWORDS * len(found) / len(wanted)), of=_KEYWORDS, why=why
    )


def _keywords(description: str) -> list[str]:
    common = frozenset().union(*WORDS_OF.values()) | _FILLERS
    words = [
        w for w in tokens(description) if len(w) >= _SHORTEST_KEYWORD and w.isalpha() and w not in common
    ]
    counts = Counter(words)
    # By frequency, then by the place in the text: always the same.
    ranked = sorted(counts, key=lambda word: (-counts[word], words.index(word)))
    return ranked[:_MOST_KEYWORDS]
