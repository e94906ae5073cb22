"""Results that are kept as JSON: of steps, and of whole jobs."""

import json
import re
from typing import Any

_LIMIT = 2**20
# PostgreSQL keeps no NUL, also not as an escape. An even number of backslashes before it means that it is one.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def as_json(value: Any, what: str) -> Any:
    """The value as it will be when it is read again, so that a first run and a later one see the same.

    Raises:
        TypeError: it has no JSON form, or one of more than a mebibyte.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{what} is not JSON: {error}") from error
    if len(text) > _LIMIT:
        raise TypeError(
            f"{what} has {len(text)} bytes as JSON; at most {_LIMIT} are kept. Save a file instead."
        )
    return json.loads(_NUL.sub(r"\1\\ufffd", text))
