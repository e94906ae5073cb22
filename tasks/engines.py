"""What this worker can run, as its heartbeat tells."""

import logging
from importlib import import_module
from typing import Any

from tasks.kinds import BUILT_IN

logger = logging.getLogger(__name__)


async def engines() -> dict[str, Any]:
    """Engine name → version, or null where it is missing: what each kind's module says in `async def engines()`."""
    found: dict[str, Any] = {}
    for module in BUILT_IN:
        tell = getattr(import_module(module), "engines", None)
        if tell is None:
            continue
        try:
            found |= await tell()
        except Exception:
            logger.exception("%s cannot tell what it needs", module)
    return found
