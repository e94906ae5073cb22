"""Text as it is compared: small letters, no accents, single spaces."""

import re
import unicodedata

_TOKEN = re.compile(r"[\w+#.]+")


def folded(text: str) -> str:
    """The text in small letters, without accents and doubled spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def bare(text: str) -> str:
    """Folded, and without marks at both ends."""
    return folded(text).strip(" :;,.-–—_|·•*#=~<>()[]/\\")


def tokens(text: str) -> list[str]:
    """Its words, folded."""
    return [token.strip(".") for token in _TOKEN.findall(folded(text)) if token.strip(".")]


def word_set(listed: str) -> frozenset[str]:
    """Words that are written one after the other."""
    return frozenset(listed.split())
