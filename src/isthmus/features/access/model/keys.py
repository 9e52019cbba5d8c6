"""API keys: their form, what they may do, and how long (security.md AK-01, AK-02, AK-04, AK-06; pure)."""

import hashlib
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from isthmus.kit import text
from isthmus.kit.errors import Invalid
from isthmus.kit.ids import BASE62
from isthmus.kit.permissions import TENANT_ADMIN, USER, Permission, right_of
from isthmus.kit.secret import Secret

RANDOM_LETTERS = 32
_CHECK_LETTERS = 6
_SHOWN_LETTERS = 4
_NAME_LIMIT = 100
_MOST_ORIGINS = 20
_BUDGET, _MOST_BUDGET = 60, 100
#: Managing keys takes a person: a key that made keys would outlive its own revocation.
MANAGE = "keys:manage"
MEMBERS = "members:manage"
_PEOPLE_ONLY = frozenset({MANAGE, MEMBERS})
_LETTERS = frozenset(BASE62)


class Mode(StrEnum):
    """What a key is for, as its first letters say; live and test keys reach the same data."""

    LIVE = "live"
    TEST = "test"
    #: For pages: everybody may read it there, so it opens embed routes only, to its own pages (AK-08).
    PUBLISHABLE = "publishable"


class KeyStatus(StrEnum):
    """Whether a key opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


_HEADS = {Mode.LIVE: "isk_live_", Mode.TEST: "isk_test_", Mode.PUBLISHABLE: "ipk_"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept: everything but the key itself."""

    id: str
    name: str
    mode: Mode
    prefix: str
    last4: str
    permissions: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    replaced_by: str | None = None
    #: Of a publishable key: the pages that may show it, and how often a minute all of them together.
    origins: tuple[str, ...] = ()
    per_minute: int | None = None
    #: When somebody told that they found it where it does not belong (AK-09).
    found_at: datetime | None = None
    revoke_when_found: bool = False

    def status(self, now: datetime) -> KeyStatus:
        """What it is at this time."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        expired = self.expires_at is not None and self.expires_at <= now
        return KeyStatus.EXPIRED if expired else KeyStatus.ACTIVE


def form(mode: Mode, random: str) -> Secret:
    """The key over `RANDOM_LETTERS` random letters of base 62."""
    body = _HEADS[mode] + random
    return Secret(body + checksum(body))


def checksum(body: str) -> str:
    """CRC-32 of all before, as six letters of base 62: tells a mistyped key without asking anybody."""
    left, letters = zlib.crc32(body.encode("ascii")), ""
    for _ in range(_CHECK_LETTERS):
        left, digit = divmod(left, 62)
        letters = BASE62[digit] + letters
    return letters


def is_key(shown: str) -> bool:
    """Whether the text has the form of a key and its checksum is right."""
    head = next((head for head in _HEADS.values() if shown.startswith(head)), None)
    if head is None or len(shown) != len(head) + RANDOM_LETTERS + _CHECK_LETTERS:
        return False
    if not _LETTERS.issuperset(shown[len(head) :]):
        return False
    return checksum(shown[:-_CHECK_LETTERS]) == shown[-_CHECK_LETTERS:]


def digest(shown: str) -> bytes:
    """What is kept of a key. It has 190 random bits: a slow hash would add nothing (AK-02)."""
    return hashlib.sha256(shown.encode("ascii")).digest()


def prefix(key: Secret) -> str:
    """The beginning by which people tell keys apart."""
    shown = key.reveal()
    return shown[: len(shown) - RANDOM_LETTERS - _CHECK_LETTERS + _SHOWN_LETTERS]


def last4(key: Secret) -> str:
    """The end by which people tell keys apart."""
    return key.reveal()[-_SHOWN_LETTERS:]


def read_name(name: str) -> str:
    """The name as it is kept. Raises Invalid when it is empty or too long."""
    kept = text.terminal(text.shown(name)).strip()
    if not kept or len(kept) > _NAME_LIMIT:
        raise Invalid.field("name", f"A name has between 1 and {_NAME_LIMIT} characters.")
    return kept


def grantable(registered: Iterable[Permission]) -> dict[str, Permission]:
    """The permissions that a key may hold: those of a tenant's own people, but for managing keys and members.

    A key that could make either would outlive its own revocation.
    """
    roles = {TENANT_ADMIN, USER}
    return {
        each.name: each for each in registered if each.name not in _PEOPLE_ONLY and not roles.isdisjoint(each.roles)
    }


def read_permissions(wanted: Collection[str], known: Mapping[str, Permission]) -> tuple[str, ...]:
    """The permissions, in order and once each. Raises Invalid for none, or for one that no key may hold.

    Those that are by path may have a path behind their name, `*` at its end for all that follows.
    """
    if not wanted:
        raise Invalid.field("permissions", "Name at least one permission.")
    unknown = sorted(name for name in set(wanted) if right_of(name, known) is None)
    if unknown:
        faults = [{"path": "permissions", "message": f"No key can hold {text.shown(name)[:100]}."} for name in unknown]
        message = f"A key can hold: {', '.join(sorted(known))}."
        raise Invalid(message, details={"fields": faults})
    return tuple(sorted(set(wanted)))


def reach(permissions: Iterable[str], roles: Collection[str], known: Mapping[str, Permission]) -> frozenset[str]:
    """What of the permissions somebody with these roles holds as the roles are now (AK-04)."""
    held = frozenset(roles)
    rights = ((name, right_of(name, known)) for name in permissions)
    return frozenset(name for name, right in rights if right is not None and not held.isdisjoint(right.roles))


def read_pages(
    mode: Mode, origins: Collection[str] | None, per_minute: int | None
) -> tuple[tuple[str, ...], int | None]:
    """The pages and the budget of a publishable key; other keys have neither. `origins` is None where one is none.

    Raises Invalid.
    """
    if mode is not Mode.PUBLISHABLE:
        if origins != frozenset() or per_minute is not None:
            raise Invalid.field("origins", "Only publishable keys have pages and a budget.")
        return (), None
    kept = origins
    if kept is None or not 1 <= len(kept) <= _MOST_ORIGINS:
        raise Invalid.field("origins", f"1 to {_MOST_ORIGINS} exact origins such as https://shop.example.com.")
    budget = _BUDGET if per_minute is None else per_minute
    if not 1 <= budget <= _MOST_BUDGET:
        raise Invalid.field("perMinute", f"Between 1 and {_MOST_BUDGET}.")
    return tuple(sorted(kept)), budget


def read_expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    """The end of a key's life. Raises Invalid unless it lies ahead."""
    if expires_at is not None and expires_at <= now:
        raise Invalid.field("expiresAt", "The end of a key's life lies in the future.")
    return expires_at


def successor_expiry(key: ApiKey, now: datetime) -> datetime | None:
    """The end of the life of a key's successor: it lives as long as the first one was meant to."""
    return None if key.expires_at is None else now + (key.expires_at - key.created_at)


def overlap_end(key: ApiKey, now: datetime, overlap: timedelta) -> datetime:
    """When a replaced key ends: after the overlap, and never later than it would have."""
    end = now + overlap
    return end if key.expires_at is None else min(end, key.expires_at)
