"""Limits on how often something may be tried, counted in Redis, so that every web process counts together."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.errors import RateLimited
from services.settings import Rate

logger = logging.getLogger(__name__)

_TIMEOUT = 0.5
# In one step: a count without an end would lock somebody out for ever.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('TTL', KEYS[1])}
"""

# A sliding window of entries `member|token`, by the time of each: entries of one member count once. In one step for all
# the windows, so that nothing is counted in one of them that another refuses.
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local answer, refused = {}, false
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local entries = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  local known, times = {}, {}
  for n = 1, #entries, 2 do
    local member = string.match(entries[n], '^[^|]*')
    if not known[member] then
      known[member] = true
      times[#times + 1] = tonumber(entries[n + 1])
    end
  end
  local wait = 0
  if not known[ARGV[1]] and #times >= limit then
    refused = true
    wait = window
    if limit > 0 then wait = times[#times - limit + 1] + window - now end
  end
  answer[#answer + 1] = {#times, wait}
end
if not refused and ARGV[2] ~= '' then
  for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[1] .. '|' .. ARGV[2])
    redis.call('PEXPIRE', key, ARGV[2 + 2 * i])
  end
end
return answer
"""

_TAKE_BACK = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECR', KEYS[1]) end"


@dataclass(frozen=True)
class Window:
    """A sliding window: the rate of `who` in doing something."""

    name: str
    who: str
    rate: Rate


@dataclass(frozen=True)
class Use:
    """How full a window is. `wait` is in seconds, more than 0 where another one would be too many."""

    window: Window
    count: int
    wait: int


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


async def take(redis: Redis, windows: Sequence[Window], member: str, token: str = "") -> list[Use]:
    """Counts `member` in each of the windows, or in none where one of them is full; how full they were.

    The same member counts once, however many tokens it is taken with. Without a token nothing is counted. Redis being
    away stops nobody: the answer is empty.
    """
    if not windows:
        return []
    rates = [str(n) for window in windows for n in (window.rate.limit, window.rate.seconds * 1000)]
    keys = [_window_key(window) for window in windows]
    try:
        async with asyncio.timeout(_TIMEOUT):
            found: Any = await redis.eval(_TAKE, len(keys), *keys, member, token, *rates)
    except (RedisError, OSError, TimeoutError) as error:
        logger.warning("rate limit %s: not counted (%s)", windows[0].name, type(error).__name__)
        return []
    return [
        Use(window, count, -(-int(wait) // 1000))
        for window, (count, wait) in zip(windows, found, strict=True)
    ]


async def give_back(redis: Redis, windows: Sequence[Window], member: str, token: str) -> None:
    """Uncounts what was taken with that token."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            for window in windows:
                await redis.zrem(_window_key(window), f"{member}|{token}")
    except (RedisError, OSError, TimeoutError):
        return


def _window_key(window: Window) -> str:
    # In a cluster, keys that one script touches must lie together: those of the same braces do.
    return _key(f"{{{window.name.partition(':')[0]}}}:{window.name}", window.who)


def _key(name: str, who: str) -> str:
    # Hashed: no address or email lies about in Redis, and no key is of a stranger's making.
    return f"mulligan:limit:{name}:{sha256(who.encode('utf-8', 'replace')).hexdigest()[:32]}"
