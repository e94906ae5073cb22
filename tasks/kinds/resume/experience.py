"""Where a candidate has worked, as what, and how long."""

import re
from collections.abc import Sequence
from datetime import date

from tasks.kinds.resume.dates import Period, whole_months
from tasks.kinds.resume.entries import Entry, find_entries
from tasks.kinds.resume.profile import Experience
from tasks.kinds.resume.words import folded

# Beginnings of words that stand in titles, folded.
_TITLE_SIGNS = re.compile(
    r"\b(?:engineer|develop|programm|manager|lead\b|head of|director|chief|officer|consult|analyst|architect|designer|"
    r"admin|assist|associate|intern\b|internship|specialist|coordinat|technician|scientist|research|nurse|teacher|"
    r"accountant|editor|writer|supervisor|representative|sales|tester|clerk|trainee|buyer|planner|recruiter|"
    r"\w*entwickler|\w*ingenieur|\w*leiter|\w*berater|\w*kauf(?:mann|frau)|sachbearbeiter|praktikant|\w*praktikum|"
    r"werkstudent|mitarbeiter|\w*referent|\w*pfleger|\w*schwester|lehrer|\w*lehrerin|\w*halter|\w*techniker|assistent|"
    r"\w*forscher|redakteur|auszubildende|verkaufer|disponent|"
    r"ingenieur|developpeu|cheff?e? d|responsable|charge|directeur|directrice|technicien|conseill|comptable|"
    r"stagiaire|\bstage\b|infirmi|enseignant|professeur|assistante|redact|vendeu|chercheu|alternant|acheteu|"
    r"ingenier|desarrollador|jefe|jefa|gerente|analista|consultor|tecnico|tecnica|enfermer|profesor|contable|"
    r"becari|practicas|auxiliar|administrativ|redactor|vendedor|investigador|director|asistente|comercial)"
)
# What only an organisation is called, and what a title may hold as well ("Software Engineer").
_LEGAL_FORMS = re.compile(
    r"\b(?:gmbh|ag|kg|ohg|se|e\.?v|ug|inc|llc|ltd|plc|corp|corporation|company|s\.a\.?s?|sarl|sas|eurl|s\.l\.?u?|sa|sl)\b"
)
_ORGANISATION_SIGNS = re.compile(
    r"(?:\b(?:group|gruppe|groupe|grupo|university|universitat|universite|universidad|hospital|klinik\w*|klinikum|"
    r"hopital|bank|banque|banco|institut\w*|school|college|stadtwerke|ministry|agency|agentur|agence|agencia|studio\w*|"
    r"labs?|systems|solutions|logistics|technologies|partners|media|consulting|verlag|foundation|stiftung|clinic|"
    r"clinica|clinique|council|colegio|lycee|gymnasium)\b|\w(?:werke|klinik|bank|verlag|schule)\b|&)"
)
_AT = re.compile(r"\s+(?:at|bei|bei der|chez|en|beim)\s+(?=[A-ZÀ-Ý0-9])")


def find_experience(lines: Sequence[str], today: date) -> tuple[list[Experience], float | None]:
    """The times at organisations in their order, and the years of all together, overlaps once."""
    entries = find_entries(lines)
    found = [_experience(entry, today) for entry in entries]
    periods: list[Period] = [entry.period for entry in entries]
    years = round(whole_months(periods, today) / 12, 1) if periods else None
    return found, years


def _experience(entry: Entry, today: date) -> Experience:
    title, organisation = title_and_organisation(entry.parts)
    end = entry.period.end
    return Experience(
        title=title, organisation=organisation, start=str(entry.period.start),
        end=str(end) if end else "present", months=entry.period.months(today),
    )  # fmt: skip


def title_and_organisation(parts: Sequence[str]) -> tuple[str | None, str | None]:
    """Which part is the title and which the organisation; the title comes first where nothing tells."""
    if len(parts) == 1:
        parts = _halves(parts[0])
    if not parts:
        return None, None
    if len(parts) == 1:
        return (None, parts[0]) if _weight(parts[0]) < 0 else (parts[0], None)
    title = next((part for part in parts if _weight(part) > 0), None)
    others = [part for part in parts if part is not title]
    organisation = next((part for part in others if _weight(part) < 0), others[0])
    if title is None:
        title = next(part for part in others if part is not organisation)
        if _weight(organisation) == 0:
            title, organisation = organisation, title
    return title, _without_place(organisation)


def _halves(part: str) -> list[str]:
    """ "Engineer at ACME", "Engineer, ACME GmbH, Berlin"."""
    if len(halves := _AT.split(part, maxsplit=1)) == 2:
        return halves
    return [half.strip() for half in part.split(",", 1) if half.strip()]


def _weight(part: str) -> int:
    """Above 0 for a title, below for an organisation."""
    plain = folded(part)
    return (
        3 * bool(_TITLE_SIGNS.search(plain))
        - 2 * bool(_ORGANISATION_SIGNS.search(plain))
        - 4 * bool(_LEGAL_FORMS.search(plain))
    )


def _without_place(organisation: str) -> str:
    name, mark, place = re.sub(r"\s*\([^()]*\)?$", "", organisation).partition(",")
    keep = not mark or re.match(r"\s*(?:inc|llc|ltd|s\.|sl|sa)\b", place, re.IGNORECASE)
    return (name + mark + place if keep else name).strip()
