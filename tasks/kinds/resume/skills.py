"""Skills of a resume and of a job description, by a vocabulary of names in four languages (`skills.txt`)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tasks.kinds.resume.words import bare, folded

_FILE = Path(__file__).with_name("skills.txt")
_REMARK = re.compile(r"\s*\([^)]*\)$")
_ITEM = re.compile(r"[,;|•·\t/]|\s[–—-]\s|\n")
_LONGEST_ITEM = 40
# In words.
_AT_ONCE, _LONGEST_NAME = 1000, 6


@dataclass(frozen=True)
class Vocabulary:
    """Folded names → what a skill is called."""

    anywhere: dict[str, str]
    listed: dict[str, str]
    """Names that are common words: they count only where skills are listed."""
    pattern: "re.Pattern[str]"

    def in_text(self, text: str) -> list[str]:
        """The skills that a text names, in the order of their first mention."""
        found: dict[str, None] = {}
        words = folded(text).split(" ")
        # Some at a time: a search holds the interpreter, and with it the worker's loop, until it ends.
        for start in range(0, len(words), _AT_ONCE):
            piece = " ".join(words[max(0, start - _LONGEST_NAME) : start + _AT_ONCE])
            found |= dict.fromkeys(self.anywhere[match[1]] for match in self.pattern.finditer(piece))
        return list(found)

    def in_list(self, lines: Sequence[str]) -> list[str]:
        """The skills that are items of a list by names that are common words elsewhere."""
        items = (bare(item) for line in lines for item in _ITEM.split(line.partition(":")[2] or line))
        return list(dict.fromkeys(self.listed[item] for item in items if item in self.listed))


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary, read once."""
    anywhere: dict[str, str] = {}
    listed: dict[str, str] = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("# "):
            continue
        called, _, others = line.partition(" = ")
        is_common = called.startswith("!")
        called = called.removeprefix("!")
        names = [_REMARK.sub("", called) if "(" not in called or is_common else "", *others.split(", ")]
        first, *rest = (folded(name) for name in names)
        (listed if is_common else anywhere).update({first: called} if first else {})
        if not first and not any(rest):
            anywhere[folded(called.replace("(", "").replace(")", ""))] = called
        anywhere.update({name: called for name in rest if name})
    known = "|".join(re.escape(name) for name in sorted(anywhere, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w.+#-])({known})(?![\w+#]|\.\w)")
    return Vocabulary(anywhere, listed, pattern)


def find_skills(text: str, listing: Sequence[str], wanted: str | None = None) -> list[str]:
    """The skills of a resume: those of the vocabulary, and items of its own list that the job description names."""
    known = vocabulary()
    found = [*known.in_text(text), *known.in_list(listing)]
    if wanted:
        folded_wanted = f" {folded(wanted)} "
        aliases = {*known.anywhere, *known.listed}
        for item in _items(listing):
            plain = bare(item)
            if plain not in aliases and re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", folded_wanted):
                found.append(item)
    return list(dict.fromkeys(found))


def _items(lines: Sequence[str]) -> list[str]:
    items = (item.strip(" .:•·*-") for line in lines for item in _ITEM.split(line.partition(":")[2] or line))
    return [item for item in items if 2 < len(item) <= _LONGEST_ITEM and len(item.split()) <= 4]
