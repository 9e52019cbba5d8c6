"""Idempotency keys: one effect per key for a day.

The key is reserved in the transaction of its effect, so a crash frees it with the effect undone, and a duplicate waits
for the first one's commit; the answer is kept beside it afterwards (security.md 2.16).
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

import asyncpg
from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import Tx, tenant_table
from isthmus.kit.errors import Conflict, Invalid

KEPT_FOR: Final = timedelta(hours=24)
LARGEST_ANSWER: Final = 65_536
KEYS_PER_TENANT: Final = 100_000
_EACH: Final = 64
#: Fresh keys of this process: one that was seen before does not count, so nobody arranges which are looked at.
_FRESH: Final = itertools.count()
#: Tenants with too many keys, and until when that holds without another look.
_FULL: Final[dict[str, datetime]] = {}
_FULL_FOR: Final = timedelta(minutes=1)
_MOST_FULL: Final = 1_000

KEYS = tenant_table(
    "idempotency_keys",
    Column("principal", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("status", Integer),
    Column("headers", JSONB),
    Column("body", LargeBinary),
)
Index(None, KEYS.c.created_at)

_RESERVE: Final = """
insert into idempotency_keys as k (tenant_id, principal, route, key, fingerprint, created_at)
values ($1, $2, $3, $4, $5, $6)
on conflict (tenant_id, principal, route, key) do update
  set fingerprint = excluded.fingerprint, created_at = excluded.created_at, status = null, headers = null, body = null
  where k.created_at <= $7
returning true
"""
_FIND: Final = """
select fingerprint, status, headers, body from idempotency_keys
where tenant_id = $1 and principal = $2 and route = $3 and key = $4
"""
_SETTLE: Final = """
update idempotency_keys set status = $5, headers = $6, body = $7
where tenant_id = $1 and principal = $2 and route = $3 and key = $4 and status is null
"""
_COUNT: Final = "select count(*) from (select from idempotency_keys where tenant_id = $1 limit $2) as counted"
_SWEEP: Final = """
delete from idempotency_keys where ctid = any(array(
  select ctid from idempotency_keys where created_at <= $1 order by created_at limit $2
))
"""


class KeyReused(Conflict):
    """This Idempotency-Key was used for another request; use a new one.

    Make a new key for each new request; repeat a key only with the same request.
    """

    code: ClassVar[str] = "IDEMPOTENCY_KEY_REUSED"


class KeyInUse(Conflict):
    """The first request with this Idempotency-Key is still at work; ask again in a moment.

    Wait a moment, then send the same request with the same key.
    """

    code: ClassVar[str] = "IDEMPOTENCY_KEY_IN_USE"


class AnswerLost(Conflict):
    """The request with this Idempotency-Key has taken effect, but its answer was not kept; look the object up.

    Read the object that the request made; do not send the request again with a new key.
    """

    code: ClassVar[str] = "IDEMPOTENCY_ANSWER_LOST"


class TooManyKeys(Conflict):
    """Too many Idempotency-Keys within a day; send requests without one, or fewer of them.

    Send keys only with requests that you may have to repeat.
    """

    code: ClassVar[str] = "IDEMPOTENCY_KEYS_EXHAUSTED"
    status: ClassVar[int] = 429


#: How a request with a key may fail that would not fail without it.
FAILURES: Final = (KeyReused, KeyInUse, AnswerLost, TooManyKeys)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key, whose it is, and the request it stands for."""

    tenant_id: str
    principal: str
    route: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def claim(tenant_id: str, principal: str, route: str, key: str, request: Sequence[bytes]) -> Claim:
    """A claim for a request; `request` is its method, path, canonical query and body. Raises Invalid for a bad key."""
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable() and " " not in key):
        raise Invalid.field("Idempotency-Key", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
    digest = hashlib.sha256()
    for part in request:
        digest.update(len(part).to_bytes(8, "big") + part)
    return Claim(tenant_id, principal, route, key, digest.digest())


async def reserve(tx: Tx, wanted: Claim, now: datetime, *, patience: float = 2.0) -> Answer | None:
    """Take the key in the transaction of the effect; None: go on, an Answer: this was done before.

    Waits up to `patience` seconds for a duplicate that is at work. Raises KeyReused, KeyInUse, AnswerLost, TooManyKeys.
    """
    place = (wanted.tenant_id, wanted.principal, wanted.route, wanted.key)
    try:
        await tx.execute_sql("select set_config('lock_timeout', $1, true)", str(int(patience * 1000)))
        fresh = await tx.fetch_sql(_RESERVE, *place, wanted.fingerprint, now, now - KEPT_FOR)
        await tx.execute_sql("set local lock_timeout = 0")
    except asyncpg.LockNotAvailableError:
        raise KeyInUse(retry_after=1.0) from None
    if fresh:
        await _check_count(tx, wanted.tenant_id, now)
        return None
    (row,) = await tx.fetch_sql(_FIND, *place)
    if row["fingerprint"] != wanted.fingerprint:
        raise KeyReused
    if row["body"] is None:
        raise AnswerLost(details={} if row["status"] is None else {"status": row["status"]})
    return Answer(row["status"], row["body"], row["headers"] or {})


async def _check_count(tx: Tx, tenant_id: str, now: datetime) -> None:
    """Counting is dear: one fresh key in 64 does it; who has too many is refused each one until that is over."""
    until = _FULL.get(tenant_id)
    if until is None and next(_FRESH) % _EACH:
        return
    if until is None or now >= until:
        (row,) = await tx.fetch_sql(_COUNT, tenant_id, KEYS_PER_TENANT + 1)
        if row[0] <= KEYS_PER_TENANT:
            _FULL.pop(tenant_id, None)
            return
        if len(_FULL) >= _MOST_FULL:
            _FULL.clear()
        _FULL[tenant_id] = now + _FULL_FOR
    raise TooManyKeys(retry_after=_FULL_FOR.total_seconds())


async def settle(tx: Tx, done: Claim, answer: Answer) -> bool:
    """Keep the answer for replays; not a 5xx or 429, and not the body of one that is too large (ID-04, ID-06).

    One-time secrets are left out by the caller (ID-05).
    """
    if answer.status >= 500 or answer.status == 429:
        return False
    body = answer.body if len(answer.body) <= LARGEST_ANSWER else None
    place = (done.tenant_id, done.principal, done.route, done.key)
    return await tx.execute_sql(_SETTLE, *place, answer.status, dict(answer.headers), body) == 1


async def sweep(tx: Tx, now: datetime, *, limit: int = 5_000) -> int:
    """Forget keys older than a day, at most `limit` of them; as the system."""
    return await tx.execute_sql(_SWEEP, now - KEPT_FOR, limit)
