"""Which kinds of jobs suit an address that somebody has, so that they need not know the kinds by name."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from services.kinds import JobKind

_LONGEST = 10_000


def suggest(kinds: Iterable[JobKind], address: str) -> list[JobKind]:
    """The kinds that take an address and suit this one, the best first. What is no address suits none."""
    address = address.strip()
    if not address or len(address) > _LONGEST or any(map(str.isspace, address)):
        return []
    scored = [(kind.suits(address), kind) for kind in kinds if kind.address_field is not None]
    return [kind for score, kind in sorted(scored, key=lambda one: -one[0]) if score > 0]


def web_parts(address: str) -> SplitResult | None:
    """The parts of an http or https address with a host; None of anything else."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and host else None


def extension(parts: SplitResult) -> str:
    """What follows the last dot of the path's last part, in small letters; empty where there is none."""
    name = parts.path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""
