"""The parts of a resume, found by their headings: English, German, French, Spanish."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tasks.kinds.resume.words import bare, tokens

HEADER = "header"

_HEADINGS = {
    "summary": (
        "summary, professional summary, executive summary, profile, professional profile, about me, about, objective,"
        " career objective, personal statement, career summary,"
        " profil, kurzprofil, über mich, zusammenfassung, zielsetzung, persönliches profil,"
        " profil professionnel, à propos, à propos de moi, résumé, objectif, objectif professionnel, présentation,"
        " perfil, perfil profesional, sobre mí, resumen, resumen profesional, objetivo, objetivo profesional, extracto"
    ),
    "experience": (
        "experience, work experience, professional experience, employment, employment history, work history, career,"
        " career history, work, jobs, relevant experience, professional background,"
        " positions held, industry experience,"
        " berufserfahrung, beruflicher werdegang, werdegang, berufspraxis, praktische erfahrung, arbeitserfahrung,"
        " berufliche erfahrung, beruflicher hintergrund, berufliche stationen, praxiserfahrung, berufstätigkeit,"
        " expérience, expériences, expérience professionnelle, expériences professionnelles,"
        " parcours professionnel, parcours, emplois,"
        " experiencia, experiencia profesional, experiencia laboral, trayectoria profesional, historial laboral,"
        " trayectoria, vida laboral"
    ),
    "education": (
        "education, academic background, education and training, academic qualifications, qualifications, studies,"
        " academic history, educational background, training, degrees,"
        " ausbildung, bildung, bildungsweg, studium, schulbildung, akademischer werdegang, ausbildung und studium,"
        " aus- und weiterbildung, studium und ausbildung, schulische ausbildung, hochschulbildung, bildungsgang,"
        " formation, formations, études, diplômes, formation académique, formation et diplômes, parcours académique,"
        " études et formations, diplômes et formations, cursus,"
        " educación, formación, formación académica, estudios, formación y estudios, historial académico, titulación"
    ),
    "skills": (
        "skills, technical skills, key skills, core competencies, competencies, skills and tools, technologies,"
        " core skills, professional skills, expertise, areas of expertise, tools, tech stack, programming languages,"
        " technical expertise, it skills, computer skills, hard skills, tools and technologies,"
        " kenntnisse, fähigkeiten, kompetenzen, fachkenntnisse, it-kenntnisse, edv-kenntnisse, fachliche kompetenzen,"
        " technische kenntnisse, technische fähigkeiten, kenntnisse und fähigkeiten, qualifikationen,"
        " programmiersprachen, edv, werkzeuge, software,"
        " compétences, compétences techniques, compétences clés, savoir-faire, informatique, outils,"
        " compétences informatiques, compétences professionnelles, langages de programmation,"
        " habilidades, competencias, aptitudes, conocimientos, conocimientos técnicos, informática,"
        " habilidades técnicas, competencias técnicas, conocimientos informáticos, herramientas,"
        " lenguajes de programación"
    ),
    "languages": (
        "languages, language skills, spoken languages, languages spoken,"
        " sprachen, sprachkenntnisse, fremdsprachen, langues, langues étrangères, compétences linguistiques,"
        " langues parlées, idiomas, lenguas, conocimiento de idiomas, conocimientos de idiomas"
    ),
    "contact": (
        "contact, contact details, contact information, personal details, personal information, personal data, details,"
        " kontakt, kontaktdaten, persönliche daten, persönliche angaben, angaben zur person, zur person,"
        " coordonnées, contactez-moi, informations personnelles, état civil, données personnelles,"
        " contacto, datos de contacto, datos personales, información personal, información de contacto"
    ),
    "references": ("references, referees, referenzen, références, referencias, recommandations"),
    "other": (
        "certifications, certificates, certifications and licenses, licenses, courses, projects, personal projects,"
        " key projects, publications, awards, honors, awards and honors, achievements, interests, hobbies,"
        " hobbies and interests, volunteering, volunteer experience, volunteer work, memberships, activities,"
        " additional information, extracurricular activities, patents, conferences, signature,"
        " zertifikate, zertifizierungen, weiterbildung, weiterbildungen, fortbildung, fortbildungen, projekte, hobbys,"
        " publikationen, veröffentlichungen, auszeichnungen, interessen, interessen und hobbys, hobbys und interessen,"
        " ehrenamt, ehrenamtliches engagement, engagement, sonstiges, mitgliedschaften, führerschein,"
        " certificats, projets, publications, distinctions, centres d'intérêt, centres d’intérêt, loisirs, intérêts,"
        " bénévolat, divers, activités, prix, permis, engagements,"
        " certificaciones, certificados, cursos, proyectos, publicaciones, premios, intereses, aficiones,"
        " voluntariado, otros, otros datos, datos de interés, información adicional, actividades, logros"
    ),
}
_SECTION_OF = {
    bare(heading): section for section, listed in _HEADINGS.items() for heading in listed.split(",")
}
_MOST_WORDS = 6
_AND = re.compile(r"\b(?:&|and|und|et|y|e)\b|&|/|,")
_SPACED = re.compile(r"^(?:\w ){3,}\w$")

# Small words that stand everywhere, and in one of the languages only.
_FREQUENT = {
    "en": "the and of to in for with on by from at as an is are was which that this team years",
    "de": "und der die das mit von bei für im den des dem ein eine zur zum auf sowie ist als am nach über",
    "fr": "et le la les des du de pour dans au aux avec sur une un par chez en ans est qui",
    "es": "y el los las del de para con en por una un al como años se que su es más",
}
WORDS_OF = {language: frozenset(tokens(words)) for language, words in _FREQUENT.items()}
_FEWEST_SIGNS = 4


@dataclass(frozen=True)
class Section:
    """A part of a resume. `name` is one of ours, `heading` what stands there."""

    name: str
    heading: str
    lines: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What a step keeps."""
        return {"name": self.name, "heading": self.heading, "lines": list(self.lines)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Section":
        """What a step kept."""
        return cls(value["name"], value["heading"], tuple(value["lines"]))


def find_sections(lines: tuple[str, ...]) -> list[Section]:
    """The sections in their order; what stands before the first heading is the header."""
    found: list[tuple[str, str, list[str]]] = [(HEADER, "", [])]
    for line in lines:
        heading = _heading(line)
        if heading is None:
            found[-1][2].append(line)
            continue
        name, words, rest = heading
        found.append((name, words, [rest] if rest else []))
    return [Section(name, heading, tuple(kept)) for name, heading, kept in found]


def lines_in(sections: list[Section], *names: str) -> list[str]:
    """The lines of all sections of these names, an empty line between them."""
    return [line for section in sections if section.name in names for line in (*section.lines, "")]


def language_of(text: str) -> str | None:
    """`en`, `de`, `fr` or `es`, by the small words; None where they do not tell."""
    counts = Counter({lang: sum(word in known for word in tokens(text)) for lang, known in WORDS_OF.items()})
    (first, most), (_, second) = counts.most_common(2)
    return first if most >= _FEWEST_SIGNS and most > second else None


def _heading(line: str) -> tuple[str, str, str] | None:
    """Section, heading, and what stands beside it on the line."""
    before, mark, after = line.partition("\t") if "\t" in line else line.partition(":")
    name = _named(before)
    if name is None:
        return None
    if mark == ":" and after.strip() and len(before.split()) > _MOST_WORDS:
        return None
    return name, before.strip(), after.strip()


def _named(text: str) -> str | None:
    if len(text) > 60 or text.lstrip().startswith(("•", "- ", "* ")):
        return None
    plain = bare(text)
    if _SPACED.match(plain):
        # E X P E R I E N C E
        plain = plain.replace(" ", "")
    if plain in _SECTION_OF:
        return _SECTION_OF[plain]
    if len(plain.split()) > _MOST_WORDS or text.strip()[:1].islower():
        return None
    # "Education & Certifications": the first of two known ones.
    halves = [_SECTION_OF.get(bare(half)) for half in _AND.split(plain)]
    return halves[0] if len(halves) > 1 and all(halves) else None
