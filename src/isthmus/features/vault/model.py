"""Rules of keys: what a seal is bound to, when a key has done its time, how long one stays in memory (pure)."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

FORMAT = "1"

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class DataKey:
    """A tenant's key, wrapped by a master key. `fresh`: made in the transaction that reads it, so not yet certain."""

    tenant_id: str
    id: str
    wrapped: bytes
    master_key_id: str
    created_at: datetime
    retired_at: datetime | None
    seals: int
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Canary:
    """Proof that a master key is the one it says it is; the row without `retired_at` names the key of today."""

    master_key_id: str
    sealed: bytes
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """Counts that prove where a rotation stands."""

    current_master: str | None
    former_masters: tuple[str, ...]
    #: data keys by the master key that wraps them; a master key that no longer stands here may be destroyed.
    wrapped_by: Mapping[str, int]
    held: tuple[str, ...]
    active: int
    retired: int
    reseals_open: int

    @property
    def unreadable(self) -> int:
        """Data keys that this process could not open."""
        return sum(count for master, count in self.wrapped_by.items() if master not in self.held)

    @property
    def disposable(self) -> tuple[str, ...]:
        """Earlier master keys that wrap nothing any more."""
        return tuple(master for master in self.former_masters if not self.wrapped_by.get(master, 0))


def field_context(tenant_id: str, owner: str, field: str, key_id: str) -> tuple[str, ...]:
    """What a sealed field is bound to (VA-04)."""
    return (FORMAT, "field", tenant_id, owner, field, key_id)


def key_context(tenant_id: str, key_id: str, master_key_id: str) -> tuple[str, ...]:
    """What a wrapped data key is bound to."""
    return (FORMAT, "data key", tenant_id, key_id, master_key_id)


def canary_context(master_key_id: str) -> tuple[str, ...]:
    """What a canary is bound to."""
    return (FORMAT, "canary", master_key_id)


def outgrown(key: DataKey, now: datetime, seal_limit: int, age: timedelta) -> bool:
    """Whether a new key must take over (VA-07)."""
    return key.seals >= seal_limit or now - key.created_at >= age


@dataclass(slots=True)
class _Held(Generic[K]):
    key: K
    until: float


@dataclass(slots=True)
class _Current:
    key_id: str
    until: float
    left: int


class KeyCache(Generic[K]):
    """Unwrapped keys, bounded in number and in time, and which of them a tenant seals with (VA-13).

    Times are seconds of a monotonic clock. A key's time is not prolonged by use.
    """

    def __init__(self, *, limit: int, ttl: float, check: float) -> None:
        self._limit, self._ttl, self._check = max(1, limit), ttl, check
        self._keys: OrderedDict[tuple[str, str], _Held[K]] = OrderedDict()
        self._current: OrderedDict[str, _Current] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, tenant_id: str, key_id: str, now: float) -> K | None:
        """The key, if it is held and its time is not over."""
        held = self._keys.get((tenant_id, key_id))
        if held is None:
            return None
        if held.until <= now:
            self.purge(now)
            return None
        return held.key

    def put(self, tenant_id: str, key_id: str, key: K, now: float) -> None:
        """Hold a key for its time; the one held longest makes room."""
        self.purge(now)
        self._keys.pop((tenant_id, key_id), None)
        self._keys[(tenant_id, key_id)] = _Held(key, now + self._ttl)
        while len(self._keys) > self._limit:
            self._keys.popitem(last=False)

    def take(self, tenant_id: str, seals: int, now: float) -> K | None:
        """The tenant's current key for so many seals; None when the database must be asked."""
        current = self._current.get(tenant_id)
        if current is None or current.until <= now or current.left < seals:
            return None
        key = self.get(tenant_id, current.key_id, now)
        if key is None:
            return None
        current.left -= seals
        return key

    def appoint(self, tenant_id: str, key_id: str, left: int, now: float) -> None:
        """From now on, and for a short while, the tenant seals with this key, `left` more times."""
        self._current.pop(tenant_id, None)
        self._current[tenant_id] = _Current(key_id, now + self._check, left)
        while len(self._current) > self._limit:
            self._current.popitem(last=False)

    def left(self, tenant_id: str) -> tuple[str, int]:
        """The tenant's current key as far as known, and the seals that are counted ahead under it."""
        current = self._current.get(tenant_id)
        return (current.key_id, current.left) if current is not None else ("", 0)

    def purge(self, now: float) -> None:
        """Let go of every key whose time is over."""
        while self._keys:
            first = next(iter(self._keys))
            if self._keys[first].until > now:
                return
            del self._keys[first]

    def forget(self, tenant_id: str | None = None) -> None:
        """Let go of one tenant's keys, or of all."""
        for place in [place for place in self._keys if tenant_id is None or place[0] == tenant_id]:
            del self._keys[place]
        for tenant in [tenant for tenant in self._current if tenant_id in (None, tenant)]:
            del self._current[tenant]
