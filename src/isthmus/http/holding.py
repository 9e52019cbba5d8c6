"""What request bodies may hold of a process: it refuses in time and does not die of them (security.md RL-09)."""

from collections import Counter
from collections.abc import Mapping

from isthmus.http.bodies import declared_length

#: What a body that is passed on piece by piece holds at most, whatever its length: pieces, and a file's beginning.
PASSING = 4 * 1024 * 1024
RETRY_SECONDS = 2.0


class NoRoom(Exception):
    """So much cannot be held now; the text says whose room is full. The edge answers with 503 and `Retry-After`."""


def weight(headers: Mapping[bytes, bytes], cap: int, *, passing: bool) -> int:
    """The bytes that a request may hold: what it says of itself, or as much as it may send. Raises Invalid."""
    length = declared_length(headers)
    if length is None:
        length = cap if b"transfer-encoding" in headers else 0
    return min(length, cap, PASSING) if passing else min(length, cap)


class Holding:
    """The bytes of bodies that one process holds at once; no tenant has more than half, so that others go on."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._by_tenant: Counter[str] = Counter()

    def take(self, tenant_id: str, size: int) -> "Held":
        """Hold so many bytes until the end of the block. Raises NoRoom.

        The only body of a process, and of a tenant, is always taken: what it may have, the route's own cap says.
        """
        mine = self._by_tenant.get(tenant_id, 0)
        if self._held and self._held + size > self._most:
            raise NoRoom("The server receives as much as it can hold just now.")
        if mine and mine + size > self._most // 2:
            raise NoRoom("The server receives as much of yours as it can hold just now.")
        return Held(self, tenant_id, size)

    def move(self, tenant_id: str, size: int) -> None:
        """Count so many bytes more, or fewer."""
        self._held += size
        self._by_tenant[tenant_id] += size
        if self._by_tenant[tenant_id] <= 0:
            del self._by_tenant[tenant_id]


class Held:
    """Some bytes, held while the block lasts."""

    __slots__ = ("_holding", "_size", "_tenant_id")

    def __init__(self, holding: Holding, tenant_id: str, size: int) -> None:
        self._holding = holding
        self._tenant_id = tenant_id
        self._size = size

    def __enter__(self) -> None:
        self._holding.move(self._tenant_id, self._size)

    def __exit__(self, *_: object) -> None:
        self._holding.move(self._tenant_id, -self._size)
