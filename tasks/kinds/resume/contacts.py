"""Name, addresses, numbers, links and place of a candidate."""

import re
from collections.abc import Sequence

from tasks.kinds.resume.dates import find_period
from tasks.kinds.resume.profile import Confidence, Phone
from tasks.kinds.resume.sections import HEADER, Section, lines_in
from tasks.kinds.resume.words import bare, folded, word_set

_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![\w-])")
_LINK = re.compile(
    r"(?<![\w@.])(?:https?://[^\s<>\"'|,;]{4,200}|(?:www\.|(?:[a-z]{2,3}\.)?linkedin\.com/|github\.com/|gitlab\.com/|"
    r"xing\.com/|behance\.net/|stackoverflow\.com/|orcid\.org/|medium\.com/|twitter\.com/|x\.com/)[^\s<>\"'|,;]{2,200})",
    re.IGNORECASE,
)
_NAME_LABEL = re.compile(
    r"^(?:full name|name|vor- und nachname|vor- und zuname|nom et prenom|prenom et nom|nom complet|nom|"
    r"nombre y apellidos|nombre completo|nombre)\s*[:\t]\s*",
)
_PLACE_LABEL = re.compile(
    r"^(?:address|location|city|adresse|anschrift|wohnort|ort|lieu|ville|direccion|domicilio|ubicacion|ciudad)\s*[:\t]\s*"
)
_PARTICLES = word_set(
    "von van der den de del della di da la le dos das zu zur ter ten el al y e bin ben o du"
)
_TITLES = re.compile(r"^(?:dr|prof|mr|mrs|ms|herr|frau|dipl|ing|m|mme|sr|sra|d)\.\s*-?", re.IGNORECASE)
_NAME_WORD = re.compile(r"^[^\W\d_](?:[^\W\d_]|['’.\-])*$")
_ELIDED = re.compile(r"^[dl]['’][^\W\d_]")
_NO_NAMES = word_set(
    "curriculum vitae resume cv lebenslauf bewerbung profil profile perfil kontakt contact contacto address adresse "
    "page seite pagina confidential personal details engineer developer manager entwickler ingenieur consultant "
    "analyst designer nurse teacher accountant berater leiter director technician specialist assistant architect "
    "desarrollador desarrolladora ingeniero ingeniera analista enfermera enfermero developpeur developpeuse "
    "chef ingenieure comptable contable lehrer lehrerin krankenpfleger buchhalter buchhalterin university scientist "
    "email telefon telephone phone portfolio hoja vida"
)
_COUNTRIES = {
    "germany": "DE", "deutschland": "DE", "allemagne": "DE", "alemania": "DE", "austria": "AT", "osterreich": "AT",
    "switzerland": "CH", "schweiz": "CH", "suisse": "CH", "suiza": "CH", "france": "FR", "frankreich": "FR",
    "francia": "FR", "spain": "ES", "spanien": "ES", "espagne": "ES", "espana": "ES", "united kingdom": "GB",
    "england": "GB", "scotland": "GB", "uk": "GB", "ireland": "IE", "usa": "US", "united states": "US",
    "canada": "CA", "belgium": "BE", "belgique": "BE", "mexico": "MX", "argentina": "AR", "netherlands": "NL",
    "italy": "IT", "portugal": "PT", "chile": "CL", "colombia": "CO", "luxembourg": "LU", "poland": "PL",
}  # fmt: skip
# A language is spoken in many countries: only where it says enough about a number without a country code.
_COUNTRY_OF_LANGUAGE = {"de": "DE", "fr": "FR", "es": "ES"}
_US_STATE = re.compile(r"\b[A-Z]{2} \d{5}(?:-\d{4})?\b")
_UK_CODE = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b")
_US_PLACE = re.compile(r"[^\W\d_][^\d,;|•·\t@]{1,40}, [A-Z]{2} \d{5}\b")
_UK_PLACE = re.compile(r"[^\W\d_][^\d,;|•·\t@]{1,40} [A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b")
_POSTCODE = re.compile(r"\b(?:[A-Z]{1,2}-)?\d{4,5} +[^\W\d_][^\d,;|•·\t@]{1,40}")
_US_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|"
    "PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)
_US_CITY = re.compile(rf"[^\W\d_], (?:{_US_STATES})\b")
_CITY_COUNTRY = re.compile(r"[^\W\d_][\w .'’-]{1,40}, ?(?:[A-Z]{2}|[^\W\d_][\w .-]{2,30})")
_BESIDE = re.compile(r"\s*[|•·\t;—]\s*|\s+–\s+")
_FEWEST_DIGITS, _MOST_DIGITS = 8, 15


def contact_lines(sections: Sequence[Section]) -> list[str]:
    """Where contacts stand: the head of the resume and the section of that name. Referees' stand elsewhere."""
    return lines_in(list(sections), HEADER, "contact")


def find_emails(lines: Sequence[str], elsewhere: Sequence[str]) -> list[str]:
    """The addresses among the contacts, else the first one elsewhere."""
    found = list(dict.fromkeys(match[0] for line in lines for match in _EMAIL.finditer(line)))
    if not found:
        found = [match[0] for line in elsewhere for match in _EMAIL.finditer(line)][:1]
    return found[:5]


def find_links(lines: Sequence[str]) -> list[str]:
    """Addresses of pages, in the order of the resume."""
    found = (match[0].rstrip(".)/]") for line in lines for match in _LINK.finditer(line))
    return list(dict.fromkeys(found))[:10]


def country_of(lines: Sequence[str], language: str | None) -> str | None:
    """The country that the head of a resume names, or that its language says."""
    text = "\n".join(lines)
    plain = folded(text)
    for name, country in _COUNTRIES.items():
        if re.search(rf"\b{re.escape(name)}\b", plain):
            return country
    if _US_STATE.search(text) or _US_CITY.search(text):
        return "US"
    if _UK_CODE.search(text):
        return "GB"
    return _COUNTRY_OF_LANGUAGE.get(language or "")


def find_phones(lines: Sequence[str], country: str | None) -> list[Phone]:
    """Telephone numbers; in international form where the country is known."""
    import phonenumbers

    found: dict[str, Phone] = {}
    for line in lines:
        period = find_period(line)
        if period and not period.single:
            continue
        bare_line = _LINK.sub(" ", _EMAIL.sub(" ", line))
        for match in phonenumbers.PhoneNumberMatcher(
            bare_line, country, leniency=phonenumbers.Leniency.POSSIBLE
        ):
            e164 = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
            is_long = _FEWEST_DIGITS <= sum(c.isdigit() for c in match.raw_string) <= _MOST_DIGITS
            if is_long and not find_period(match.raw_string):
                found.setdefault(e164, Phone(text=match.raw_string.strip(), e164=e164))
        if not country and not found:
            found |= {phone.text: phone for phone in _without_country(bare_line)}
    return list(found.values())[:5]


_DIGITS = re.compile(r"(?<![\w+])\(?\d[\d ()./-]{7,20}\d(?!\w)")


def _without_country(line: str) -> list[Phone]:
    texts = [match[0].strip() for match in _DIGITS.finditer(line)]
    return [
        Phone(text=t)
        for t in texts
        if 9 <= sum(c.isdigit() for c in t) <= _MOST_DIGITS and not find_period(t)
    ]


def find_location(lines: Sequence[str]) -> str | None:
    """Postcode and town, or town and country, as they are written."""
    for line in lines:
        label = _PLACE_LABEL.match(folded(line)) if len(folded(line)) == len(line) else None
        if label:
            return line[label.end() :].strip() or None
    for line in lines:
        match = _US_PLACE.search(line) or _UK_PLACE.search(line) or _POSTCODE.search(line)
        if match and not find_period(line):
            return match[0].strip(" ,")
    parts = (part.strip() for line in lines for part in _BESIDE.split(line))
    return next((part for part in parts if _CITY_COUNTRY.fullmatch(part)), None)


def find_name(lines: Sequence[str], headline: str, emails: Sequence[str]) -> tuple[str | None, Confidence]:
    """The candidate's name, and how sure it is: the address of a mailbox often holds it."""
    for line in lines:
        if (label := _NAME_LABEL.match(folded(line))) and len(folded(line)) == len(line):
            name = _as_name(line[label.end() :])
            if name:
                return name, "high"
    candidates = [
        _as_name(text)
        for text in (*_splits(headline), *(part for line in lines[:12] for part in _splits(line)))
    ]
    names = list(dict.fromkeys(name for name in candidates if name))
    if not names:
        return None, "not found"
    mailboxes = [folded(email.partition("@")[0]) for email in emails]
    for name in names:
        last = folded(name).split()[-1]
        if any(last in box for box in mailboxes):
            return name, "high"
    return names[0], "medium" if headline and _as_name(headline) == names[0] else "low"


def _splits(line: str) -> list[str]:
    return [line, *(part for part in re.split(r"[|•·\t,–—]", line) if part != line)]


def _as_name(text: str) -> str | None:
    """The text, if it can be a name: two to five words that begin large, none of them an occupation."""
    text = _TITLES.sub("", text.strip(" ,;:|•·\t"))
    text = _TITLES.sub("", text)
    words = text.split()
    if not 2 <= len(words) <= 5 or len(text) > 60 or not all(_NAME_WORD.match(word) for word in words):
        return None
    if any(folded(word).strip(".") in _NO_NAMES for word in words) or bare(text) in _COUNTRIES:
        return None
    if not all(word[0].isupper() or folded(word) in _PARTICLES or _ELIDED.match(word) for word in words):
        return None
    if text.isupper():
        text = " ".join(_capital(word) for word in words)
    return text


def _capital(word: str) -> str:
    if folded(word) in _PARTICLES:
        return word.lower()
    return re.sub(r"[^\W\d_]+", lambda m: m[0].capitalize(), word)
