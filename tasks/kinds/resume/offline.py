"""The analyser that needs no model and no network: rules and lists. It does the same thing every time."""

from collections.abc import Sequence
from datetime import date

from tasks.kinds.resume import contacts
from tasks.kinds.resume.document import Document
from tasks.kinds.resume.education import find_education
from tasks.kinds.resume.experience import find_experience
from tasks.kinds.resume.profile import CandidateProfile, Confidence, Experience, Finding
from tasks.kinds.resume.sections import Section, language_of, lines_in
from tasks.kinds.resume.skills import find_skills
from tasks.kinds.resume.spoken import find_languages

NAME = "offline-1"


def analyse(document: Document, sections: Sequence[Section], wanted: str | None, today: date) -> Finding:
    """What rules can find, and how sure they are of it."""
    parts = list(sections)
    found = {section.name for section in parts}
    language = language_of(document.text)
    near = contacts.contact_lines(parts)
    own = [line for section in parts if section.name != "references" for line in section.lines]
    emails = contacts.find_emails(near, own)
    name, name_confidence = contacts.find_name(near, document.headline, emails)
    country = contacts.country_of(near, language)
    phones = contacts.find_phones(near, country)
    experience, years = find_experience(lines_in(parts, "experience"), today)
    education = find_education(lines_in(parts, "education"))
    skills = find_skills(_without_names(own, experience), lines_in(parts, "skills"), wanted)
    profile = CandidateProfile(
        name=name, emails=emails, phones=phones, links=contacts.find_links(near),
        location=contacts.find_location(near), skills=skills, experience=experience, education=education,
        languages=find_languages(lines_in(parts, "languages")), years_of_experience=years,
    )  # fmt: skip
    confidence: dict[str, Confidence] = {
        "name": name_confidence,
        "emails": _sure("high", bool(emails)),
        "phones": _sure("high" if any(phone.e164 for phone in phones) else "medium", bool(phones)),
        "location": _sure("low", bool(profile.location)),
        "skills": _sure("medium" if "skills" in found else "low", bool(skills)),
        "experience": _sure(
            "medium" if all(job.title and job.organisation for job in experience) else "low", bool(experience)
        ),
        "education": _sure("medium", bool(education)),
        "languages": _sure("high", bool(profile.languages)),
    }
    return Finding(analyser=NAME, profile=profile, confidence=confidence, notes=_notes(found, language))


def _without_names(lines: Sequence[str], experience: Sequence[Experience]) -> str:
    """The text without the names of employers: nobody knows logistics for having worked at Northgate Logistics."""
    text = "\n".join(lines)
    for job in experience:
        if job.organisation:
            text = text.replace(job.organisation, "\n")
    return text


def _sure(level: Confidence, there: bool) -> Confidence:  # noqa: FBT001 - reads as a sentence
    return level if there else "not found"


def _notes(found: set[str], language: str | None) -> list[str]:
    notes = []
    if language is None:
        notes.append(
            "The language could not be told; headings in English, German, French and Spanish are known."
        )
    missing = [name for name in ("experience", "education", "skills") if name not in found]
    if missing:
        notes.append(f"No heading was found for: {', '.join(missing)}.")
    return notes
