"""Passwords are hashed beside the event loop, few at a time (security.md SE-01, SE-02)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from isthmus.kit import ids
from isthmus.kit.errors import Unavailable
from isthmus.kit.secret import Secret

T = TypeVar("T")

#: SE-02 allows four. Each takes 19 MiB and a core: with two, crowds that sign in one after the other stay within its
#: 80 MiB of memory, and the loop goes on where there are two cores.
_AT_ONCE = 2
_WAITING = 100
_PARAMETERS = "$argon2id$v=19$m=19456,t=2,p=1$"
#: A hash of nothing that anybody knows: checked for accounts that are not there, at the same cost (SE-03).
NOBODY = _PARAMETERS + "bm9ib2R5LWhhcy10aGlz$GLRFvlhsS0p8cBQpzrJTOYiUoV5nvmPeqwCGm0Nuzvw"


class Hasher:
    """At most two argon2id hashes at a time in this process, a hundred more in line; beyond that it says so."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
        self._open = 0

    async def hash(self, password: Secret) -> str:
        """A fresh hash in the PHC form. Raises Unavailable."""
        return await self._run(_hash, password.reveal())

    async def fits(self, password: Secret, kept: str) -> bool:
        """Whether this is the password. Raises Unavailable."""
        return await self._run(_fits, password.reveal(), kept)

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., T], *given: str) -> T:
        if self._open >= _AT_ONCE + _WAITING:
            raise Unavailable("Too many people sign in just now.", retry_after=2)
        self._open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *given)
        finally:
            self._open -= 1


def is_old(kept: str) -> bool:
    """Whether a hash was made with other parameters than those of today."""
    return not kept.startswith(_PARAMETERS)


def _hash(password: str) -> str:
    salt = ids.token(128).encode("ascii")
    return Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=19 * 1024).derive_phc_encoded(
        password.encode()
    )


def _fits(password: str, kept: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(), kept)
    except InvalidKey:
        return False
    return True
