"""Statements over what platforms were asked to push, for which apps and connections, and how far queues were read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isthmus.engine.db import Tx

_HEARD = """
insert into webhook_enrolments (tenant_id, connection_id, provider, registration_id, held_by, ended, next_at)
values ($1, $2, '', '', '', $3, $4)
on conflict (tenant_id, connection_id) do update
  set ended = excluded.ended, next_at = excluded.next_at, attempts = 0, reason = null
"""
_ENROLMENT = """
select provider, registration_id, held_by, ended, attempts from webhook_enrolments
where tenant_id = $1 and connection_id = $2
"""
_PLACE = """
update webhook_enrolments set provider = $3, registration_id = $4, held_by = $5
where tenant_id = $1 and connection_id = $2
"""
_ENROLLED = """
update webhook_enrolments set next_at = $3, reason = $4,
  attempts = case when $4::text is null then 0 else attempts + 1 end
where tenant_id = $1 and connection_id = $2 and ended = $5
"""
_HOLD = "update webhook_enrolments set next_at = $3 where tenant_id = $1 and connection_id = $2 and next_at is not null"
_HOLD_CHECK = """
update webhook_subscriptions set next_at = $4
where tenant_id = $1 and provider = $2 and registration_id = $3 and next_at is not null
"""
_GONE = "delete from webhook_enrolments where tenant_id = $1 and connection_id = $2 and ended"
_OPEN = """
insert into webhook_subscriptions (tenant_id, provider, registration_id, topics, far_id, state, place, created_at)
values ($1, $2, $3, $4, '', 'wanted', '', $5) on conflict do nothing
"""
_ONE = """
select provider, registration_id, source_id, sealed_url, topics, far_id, state, reason, attempts, next_at, checked_at,
  repaired_at, queue, place, pull_at, pulled_at, pulled
from webhook_subscriptions where tenant_id = $1 and provider = $2 and registration_id = $3
"""
_LOCKED = _ONE + " for update"
_ALL = """
select provider, registration_id, source_id, sealed_url, topics, far_id, state, reason, attempts, next_at, checked_at,
  repaired_at, queue, place, pull_at, pulled_at, pulled
from webhook_subscriptions where tenant_id = $1 order by provider, registration_id limit 200
"""
_SOURCE = """
update webhook_subscriptions set source_id = $4, sealed_url = $5
where tenant_id = $1 and provider = $2 and registration_id = $3 and source_id is null
"""
_CHECKED = """
update webhook_subscriptions set state = $4, reason = $5, far_id = coalesce($6, far_id), topics = coalesce($7, topics),
  next_at = $8, checked_at = $9, repaired_at = case when $10 then $9 else repaired_at end,
  queue = coalesce($11, queue), pull_at = case when $11::text is not null then coalesce(pull_at, $9) else pull_at end,
  attempts = case when $5::text is null then 0 else attempts + 1 end
where tenant_id = $1 and provider = $2 and registration_id = $3
"""
_PULLED = """
update webhook_subscriptions set place = $4, pulled = pulled + $5, pulled_at = $6
where tenant_id = $1 and provider = $2 and registration_id = $3
"""
_LATER = """
update webhook_subscriptions set pull_at = $4, reason = coalesce($5, reason), place = coalesce($6, place)
where tenant_id = $1 and provider = $2 and registration_id = $3
"""
_REMOVE = "delete from webhook_subscriptions where tenant_id = $1 and provider = $2 and registration_id = $3"
_TO_RESEAL = """
select provider, registration_id, sealed_url, provider || ' ' || registration_id as key from webhook_subscriptions
where tenant_id = $1 and sealed_url is not null and provider || ' ' || registration_id > $2 order by key limit $3
"""
_RESEAL = """
update webhook_subscriptions set sealed_url = $5
where tenant_id = $1 and provider = $2 and registration_id = $3 and sealed_url = $4
"""
# Connections to be told of, subscriptions to be compared, and queues to be read: one look for all.
_DUE = """
select 'told' as what, tenant_id, '' as provider, connection_id as key from (
  select tenant_id, connection_id from webhook_enrolments where next_at <= $1 limit $2
) told
union all
select 'compared', tenant_id, provider, registration_id from (
  select tenant_id, provider, registration_id from webhook_subscriptions where next_at <= $1 limit $2
) compared
union all
select 'pulled', tenant_id, provider, registration_id from (
  select tenant_id, provider, registration_id from webhook_subscriptions
  where pull_at <= $1 and queue is not null and source_id is not null limit $2
) pulled
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An app of a tenant at a provider."""

    tenant_id: str
    provider: str
    registration_id: str

    @property
    def values(self) -> tuple[str, str, str]:
        """As the statements take them."""
        return self.tenant_id, self.provider, self.registration_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a look at the platform brought; None leaves what is there."""

    state: str
    reason: str | None = None
    far_id: str | None = None
    topics: Sequence[str] | None = None
    next_at: datetime | None
    repaired: bool = False
    queue: str | None = None


async def heard(tx: Tx, tenant_id: str, connection_id: str, now: datetime, *, ended: bool) -> None:
    """Note that a connection was made or ended; as the system."""
    await tx.execute_sql(_HEARD, tenant_id, connection_id, ended, now)


async def enrolment(tx: Tx, tenant_id: str, connection_id: str) -> Mapping[str, Any] | None:
    """What is known of a connection's part."""
    rows = await tx.fetch_sql(_ENROLMENT, tenant_id, connection_id)
    return dict(rows[0]) if rows else None


async def place_enrolment(tx: Tx, tenant_id: str, connection_id: str, place: Place) -> None:
    """Note which app it goes through, for the day on which the connection is gone."""
    values = (place.provider, place.registration_id, place.tenant_id)
    await tx.execute_sql(_PLACE, tenant_id, connection_id, *values)


async def enrolled(
    tx: Tx, owner: tuple[str, str], next_at: datetime | None, reason: str | None = None, *, ended: bool
) -> None:
    """Note how telling the platform went; what has changed meanwhile stays due."""
    await tx.execute_sql(_ENROLLED, *owner, next_at, reason, ended)


async def hold(tx: Tx, tenant_id: str, connection_id: str, until: datetime) -> None:
    """Somebody tells the platform of a connection now: nobody else begins before then."""
    await tx.execute_sql(_HOLD, tenant_id, connection_id, until)


async def hold_check(tx: Tx, place: Place, until: datetime) -> None:
    """Somebody compares a subscription now: nobody else begins before then."""
    await tx.execute_sql(_HOLD_CHECK, *place.values, until)


async def forget(tx: Tx, tenant_id: str, connection_id: str) -> None:
    """Nothing is left to be told about a connection that has ended."""
    await tx.execute_sql(_GONE, tenant_id, connection_id)


async def open_subscription(tx: Tx, place: Place, topics: Sequence[str], now: datetime) -> None:
    """Make the row of an app, once."""
    await tx.execute_sql(_OPEN, *place.values, list(topics), now)


async def subscription(tx: Tx, place: Place, *, locked: bool = False) -> Mapping[str, Any] | None:
    """One app's."""
    rows = await tx.fetch_sql(_LOCKED if locked else _ONE, *place.values)
    return dict(rows[0]) if rows else None


async def subscriptions(tx: Tx, tenant_id: str) -> list[Mapping[str, Any]]:
    """Those of a tenant's apps."""
    return [dict(row) for row in await tx.fetch_sql(_ALL, tenant_id)]


async def give_source(tx: Tx, place: Place, source_id: str, sealed_url: bytes) -> bool:
    """Name the source that the news come in at; False when another process was faster."""
    return await tx.execute_sql(_SOURCE, *place.values, source_id, sealed_url) > 0


async def checked(tx: Tx, place: Place, found: Checked, now: datetime) -> None:
    """Write down what a look at the platform brought."""
    topics = None if found.topics is None else list(found.topics)
    values = (found.state, found.reason, found.far_id, topics, found.next_at, now, found.repaired, found.queue)
    await tx.execute_sql(_CHECKED, *place.values, *values)


async def pulled(tx: Tx, place: Place, at: str, count: int, now: datetime) -> None:
    """Move the place with the commit of what was read; as the system."""
    await tx.execute_sql(_PULLED, *place.values, at, count, now)


async def pull_later(
    tx: Tx, place: Place, when: datetime, reason: str | None = None, confirmed: str | None = None
) -> None:
    """When to look at the queue again, and where to go on from where the platform was told."""
    await tx.execute_sql(_LATER, *place.values, when, reason, confirmed)


async def remove(tx: Tx, place: Place) -> None:
    """Forget an app's subscription."""
    await tx.execute_sql(_REMOVE, *place.values)


async def due(tx: Tx, now: datetime, limit: int) -> tuple[list[tuple[str, str]], list[Place], list[Place]]:
    """Connections to be told of, subscriptions to be compared, and queues to be read; as the system."""
    rows = await tx.fetch_sql(_DUE, now, limit)

    def places(what: str) -> list[Place]:
        return [Place(row["tenant_id"], row["provider"], row["key"]) for row in rows if row["what"] == what]

    told = [(row["tenant_id"], row["key"]) for row in rows if row["what"] == "told"]
    return told, places("compared"), places("pulled")


async def to_reseal(tx: Tx, tenant_id: str, after: str, limit: int) -> list[Mapping[str, Any]]:
    """Sealed addresses behind this key."""
    return [dict(row) for row in await tx.fetch_sql(_TO_RESEAL, tenant_id, after, limit)]


async def update_sealed(tx: Tx, place: Place, old: bytes, new: bytes) -> None:
    """Put another seal over the same address."""
    await tx.execute_sql(_RESEAL, *place.values, old, new)
