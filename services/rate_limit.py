"""Limits on how often something may be tried, counted in Redis, so that every web process counts together."""

import asyncio
import logging
from hashlib import sha256

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.errors import RateLimited

logger = logging.getLogger(__name__)

_TIMEOUT = 0.5
# In one step: a count without an end would lock somebody out for ever.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('TTL', KEYS[1])}
"""

_TAKE_BACK = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECR', KEYS[1]) end"


async def hit(redis: Redis, name: str, who: str, *, limit: int, window: int) -> None:
    """Counts one try of `who`: at most `limit` in `window` seconds. Redis being away stops nobody.

    Raises:
        RateLimited: that was one too many; `retry_after` says how many seconds to wait.
    """
    key = _key(name, who)
    try:
        async with asyncio.timeout(_TIMEOUT):
            count, remaining = await redis.eval(_COUNT, 1, key, window)
    except (RedisError, OSError, TimeoutError) as error:
        logger.warning("rate limit %s: not counted (%s)", name, type(error).__name__)
        return
    if count > limit:
        raise RateLimited(retry_after=max(remaining, 1))


async def take_back(redis: Redis, name: str, who: str) -> None:
    """Uncounts one try of `who`, which turned out well."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            await redis.eval(_TAKE_BACK, 1, _key(name, who))
    except (RedisError, OSError, TimeoutError):
        return


async def forget(redis: Redis, name: str, who: str) -> None:
    """Starts the count of `who` anew."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            await redis.delete(_key(name, who))
    except (RedisError, OSError, TimeoutError):
        return


def _key(name: str, who: str) -> str:
    # Hashed: no address or email lies about in Redis, and no key is of a stranger's making.
    return f"mulligan:limit:{name}:{sha256(who.encode('utf-8', 'replace')).hexdigest()[:32]}"
