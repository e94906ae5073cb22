"""Languages that a candidate speaks, and how well."""

import re
from collections.abc import Sequence

from tasks.kinds.resume.profile import SpokenLanguage
from tasks.kinds.resume.words import folded

_NAMES = {
    "English": "english englisch anglais ingles",
    "German": "german deutsch allemand aleman",
    "French": "french franzosisch francais frances",
    "Spanish": "spanish spanisch espagnol espanol castellano",
    "Italian": "italian italienisch italien italiano",
    "Portuguese": "portuguese portugiesisch portugais portugues",
    "Dutch": "dutch niederlandisch neerlandais neerlandes hollandisch",
    "Russian": "russian russisch russe ruso",
    "Polish": "polish polnisch polonais polaco",
    "Turkish": "turkish turkisch turc turco",
    "Arabic": "arabic arabisch arabe",
    "Chinese": "chinese chinesisch chinois chino mandarin mandarin",
    "Japanese": "japanese japanisch japonais japones",
    "Korean": "korean koreanisch coreen coreano",
    "Hindi": "hindi",
    "Swedish": "swedish schwedisch suedois sueco",
    "Danish": "danish danisch danois danes",
    "Norwegian": "norwegian norwegisch norvegien noruego",
    "Finnish": "finnish finnisch finnois finlandes",
    "Czech": "czech tschechisch tcheque checo",
    "Hungarian": "hungarian ungarisch hongrois hungaro",
    "Romanian": "romanian rumanisch roumain rumano",
    "Greek": "greek griechisch grec griego",
    "Ukrainian": "ukrainian ukrainisch ukrainien ucraniano",
    "Hebrew": "hebrew hebraisch hebreu hebreo",
    "Persian": "persian farsi persisch persan persa",
    "Vietnamese": "vietnamese vietnamesisch vietnamien vietnamita",
    "Catalan": "catalan katalanisch",
    "Croatian": "croatian kroatisch croate croata",
    "Serbian": "serbian serbisch serbe serbio",
    "Bulgarian": "bulgarian bulgarisch bulgare bulgaro",
    "Latin": "latin latein latino",
    "Basque": "basque baskisch euskera vasco",
    "Galician": "galician gallego",
    "Urdu": "urdu",
    "Bengali": "bengali",
}
_NAME_OF = {word: name for name, listed in _NAMES.items() for word in listed.split()}
_WORD = re.compile(rf"\b({'|'.join(sorted(_NAME_OF, key=len, reverse=True))})\b")
_CEFR = re.compile(r"\b([abc][12])\b")
# The first that stands beside the language decides; the stronger come first.
_LEVELS = {
    "native": (
        r"native|mother tongue|muttersprach\w*|langue maternelle|maternelle|natif|nativ[oa]|materna|bilingual|bilingue|"
        r"zweisprachig"
    ),
    "fluent": (
        r"fluent\w*|fliessend|verhandlungssicher|courant\w*|couramment|fluid[oa]|full professional|proficient|"
        r"lu, ecrit, parle|dominio"
    ),
    "advanced": (
        r"advanced|fortgeschritten\w*|avance\w*|avanzad[oa]|sehr gut\w*|very good|tres bon\w*|muy bueno|"
        r"upper intermediate|professional working|good|gut\w*|nivel alto|alto"
    ),
    "intermediate": (
        r"intermediate|mittel\w*|intermediaire|intermedi[oa]|conversational|konversations\w*|working|medio|moyen"
    ),
    "basic": (
        r"basic\w*|grundkenntnisse|elementary|notions|debutant|scolaire|basic[oa]|beginner|schulkenntnisse|bases|anfanger"
    ),
}
_LEVEL_OF = tuple((level, re.compile(rf"\b(?:{words})\b")) for level, words in _LEVELS.items())
_BETWEEN = re.compile(r"[,;|•·\t/]|\s-\s|\band\b|\bund\b|\bet\b|\by\b")


def find_languages(lines: Sequence[str]) -> list[SpokenLanguage]:
    """Languages in their order, each with the level that stands beside it."""
    found: dict[str, SpokenLanguage] = {}
    text = folded_lines(lines)
    matches = [(line, list(_WORD.finditer(line))) for line in text]
    for number, (line, names) in enumerate(matches):
        for index, match in enumerate(names):
            until = names[index + 1].start() if index + 1 < len(names) else len(line)
            level = _level(line[match.end() : until]) or _before(line, names, index)
            following = matches[number + 1] if number + 1 < len(matches) else None
            if level is None and following and not following[1]:
                level = _level(following[0])
            name = _NAME_OF[match[1]]
            if name not in found or (found[name].level is None and level):
                found[name] = SpokenLanguage(name=name, level=level)
    return list(found.values())


def folded_lines(lines: Sequence[str]) -> list[str]:
    """The lines in small letters, tabs kept as bars."""
    return [folded(line.replace("\t", " | ")).replace("ß", "ss") for line in lines if line.strip()]


def _before(line: str, names: "Sequence[re.Match[str]]", index: int) -> str | None:
    """ "Native English": a level that stands in front."""
    begin = names[index - 1].end() if index else 0
    piece = _BETWEEN.split(line[begin : names[index].start()])[-1]
    return _level(piece)


def _level(text: str) -> str | None:
    if match := _CEFR.search(text):
        return match[1].upper()
    return next((level for level, words in _LEVEL_OF if words.search(text)), None)
