"""Passwords: argon2 hashes, made and checked in threads of their own, so that no page waits behind a sign-in."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.errors import Invalid

SHORTEST = 8
LONGEST = 1_000

# As OWASP recommends for argon2id: some 30 ms and 19 MiB a hash, so that a small machine can serve a desk.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Two at a time, however many want to sign in.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


def require_good(password: str) -> None:
    """Raises Invalid for a password that is too short to protect anything, or absurdly long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has between {SHORTEST} and {LONGEST} characters.")


async def hash_password(password: str) -> str:
    """An argon2id hash with its salt and cost in it."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, _bytes(password))


async def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. Takes as long where there is no hash, so that time tells nothing."""
    if len(password) > LONGEST:
        return False
    return await asyncio.get_running_loop().run_in_executor(
        _threads, _verify, password_hash, _bytes(password)
    )


def is_outdated(password_hash: str) -> bool:
    """Whether it was made at another cost than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _verify(password_hash: str | None, password: bytes) -> bool:
    try:
        _hasher.verify(password_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(b"the password of nobody")


def _bytes(password: str) -> bytes:
    # A lone surrogate, which JSON can carry, is a character like any other here.
    return password.encode("utf-8", "surrogatepass")
