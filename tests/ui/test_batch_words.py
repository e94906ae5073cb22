"""Every reason to leave a job alone has words of its own."""

from collections.abc import Iterator

import pytest

from services.errors import MulliganError
from ui.components.batch_words import reason, reasons

# What no job is left alone for: these refuse the batch as a whole, or are about people.
_OF_THE_WHOLE = {
    "account_exists", "already_member", "internal", "last_admin", "member_elsewhere", "not_drawable", "not_found",
    "unauthenticated", "unsealable", "wrong_account",
}  # fmt: skip


def _codes(kind: type[MulliganError] = MulliganError) -> Iterator[str]:
    if kind.__module__.startswith("services."):
        yield kind.code
    for each in kind.__subclasses__():
        yield from _codes(each)


@pytest.mark.parametrize("code", sorted({*_codes()} - _OF_THE_WHOLE))
def test_a_code_is_never_shown_as_it_is(code: str) -> None:
    assert reason(code) != code.replace("_", " ") or code == "insufficient_credits"


def test_the_most_frequent_reason_stands_first() -> None:
    assert reasons({"conflict": 2, "insufficient_credits": 1_200}) == [
        "1,200 insufficient credits", "2 changed meanwhile",
    ]  # fmt: skip
