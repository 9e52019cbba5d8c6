"""Every statement about API keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import BindParameter, bindparam, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.keys import ApiKey, Mode
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.tables import API_KEYS as K
from isthmus.features.access.tables import TENANTS as T

_COLUMNS = (
    *(K.c.id, K.c.name, K.c.mode, K.c.prefix, K.c.last4, K.c.permissions, K.c.created_by, K.c.created_at),
    *(K.c.expires_at, K.c.last_used_at, K.c.revoked_at, K.c.replaced_by, K.c.origins, K.c.per_minute, K.c.found_at),
    K.c.revoke_when_found,
)
_MINE = K.c.tenant_id == bindparam("tenant_id")
_THIS = _MINE & (K.c.id == bindparam("id"))
_NOW: BindParameter[datetime] = bindparam("now")
_ADD = statement(insert(K).values({column.name: bindparam(column.name) for column in K.c}))
_ONE = statement(select(*_COLUMNS).where(_THIS))
_LOCKED = statement(select(*_COLUMNS).where(_THIS).with_for_update())
_SOME = statement(
    select(*_COLUMNS)
    .where(_MINE, func.coalesce(K.c.id < bindparam("before"), true()))
    .order_by(K.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_ALIVE = statement(
    select(func.count())
    .select_from(K)
    .where(_MINE, K.c.revoked_at.is_(None), K.c.expires_at.is_(None) | (K.c.expires_at > _NOW))
)
_ALIVE_OF = statement(
    select(K.c.id, K.c.name, K.c.last4)
    .where(_MINE, K.c.created_by == bindparam("creator"), K.c.revoked_at.is_(None))
    .where(K.c.expires_at.is_(None) | (K.c.expires_at > _NOW))
    .order_by(K.c.id)
)
_REVOKE = statement(update(K).values(revoked_at=_NOW).where(_THIS, K.c.revoked_at.is_(None)))
_FOUND = statement(update(K).values(found_at=_NOW).where(_THIS, K.c.found_at.is_(None)))
_REPLACE = statement(update(K).values(expires_at=bindparam("end"), replaced_by=bindparam("successor")).where(_THIS))
_REGRADE = statement(
    update(K)
    .values(creator_roles=bindparam("roles"))
    .where(_MINE, K.c.created_by == bindparam("creator"), K.c.creator_roles != bindparam("roles"))
)
_SHOWN = select(K.c.tenant_id, K.c.digest, K.c.creator_roles, *_COLUMNS).where(K.c.digest == bindparam("digest"))
_WHOSE = statement(_SHOWN)
# What opens nothing comes back as no row, as an unknown key does: reading a row would tell the two apart by their time.
_OPENING = statement(
    _SHOWN.join(T, T.c.id == K.c.tenant_id)
    .where(K.c.revoked_at.is_(None), K.c.expires_at.is_(None) | (K.c.expires_at > _NOW))
    .where(T.c.status == TenantStatus.ACTIVE.value)
)
_USED = """
update api_keys set last_used_at = greatest(api_keys.last_used_at, seen.at)
from unnest($1::text[], $2::text[], $3::timestamptz[]) as seen (tenant_id, id, at)
where api_keys.tenant_id = seen.tenant_id and api_keys.id = seen.id
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A key behind a digest, with what its reach depends on."""

    tenant_id: str
    digest: bytes
    creator_roles: tuple[str, ...]
    key: ApiKey


async def insert_key(tx: Tx, key: ApiKey, *, digest: bytes, creator_roles: Sequence[str]) -> None:
    """Add a key of the transaction's tenant."""
    values = {column.name: getattr(key, column.name) for column in _COLUMNS}
    values |= {"permissions": list(key.permissions), "origins": list(key.origins)}
    held = sorted(creator_roles)
    await tx.execute(_ADD, tenant_id=tx.tenant_id, digest=digest, creator_roles=held, **values)


async def key(tx: Tx, key_id: str, *, locked: bool = False) -> ApiKey | None:
    """One key of the transaction's tenant."""
    row = await tx.fetchrow(_LOCKED if locked else _ONE, tenant_id=tx.tenant_id, id=key_id)
    return _key(row) if row else None


async def keys(tx: Tx, *, before: str | None, offset: int, limit: int) -> list[ApiKey]:
    """The tenant's keys below the place, the newest first."""
    rows = await tx.fetch(_SOME, tenant_id=tx.tenant_id, before=before, offset=offset, limit=limit)
    return [_key(row) for row in rows]


async def alive(tx: Tx, now: datetime, *, held: bool = True) -> int:
    """How many keys of the tenant open something; `held` by a lock, that stays true until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 37))", tx.tenant_id)
    return int(await tx.fetchval(_ALIVE, tenant_id=tx.tenant_id, now=now))


async def update_revoked(tx: Tx, key_id: str, now: datetime) -> bool:
    """Revoke a key; False when it was before."""
    return bool(await tx.execute(_REVOKE, tenant_id=tx.tenant_id, id=key_id, now=now))


async def update_found(tx: Tx, key_id: str, now: datetime) -> bool:
    """Note that a key was found somewhere; False when it was before."""
    return bool(await tx.execute(_FOUND, tenant_id=tx.tenant_id, id=key_id, now=now))


async def update_replaced(tx: Tx, key_id: str, *, successor: str, end: datetime) -> None:
    """Give a key its end and its successor."""
    await tx.execute(_REPLACE, tenant_id=tx.tenant_id, id=key_id, successor=successor, end=end)


async def update_roles(tx: Tx, creator: str, roles: Sequence[str]) -> int:
    """Write down what a creator of keys holds now; the number of keys that it changes."""
    return await tx.execute(_REGRADE, tenant_id=tx.tenant_id, creator=creator, roles=sorted(roles))


async def shown(tx: Tx, digest: bytes) -> Found | None:
    """The key behind a digest, whosever it is and whatever has become of it."""
    return _found(await tx.fetchrow(_WHOSE, digest=digest))


async def opening(tx: Tx, digest: bytes, now: datetime) -> Found | None:
    """The key behind a digest, if it opens something now: none that is over, and none of a tenant that is out."""
    return _found(await tx.fetchrow(_OPENING, digest=digest, now=now))


def _found(row: asyncpg.Record | None) -> Found | None:
    if row is None:
        return None
    return Found(row["tenant_id"], row["digest"], tuple(row["creator_roles"]), _key(row))


async def update_used(tx: Tx, seen: Mapping[tuple[str, str], datetime]) -> None:
    """Move the times of last use forward, never back (AK-05)."""
    tenants, keys_seen = [tenant for tenant, _ in seen], [key_id for _, key_id in seen]
    await tx.execute_sql(_USED, tenants, keys_seen, list(seen.values()))


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        mode=Mode(row["mode"]),
        prefix=row["prefix"],
        last4=row["last4"],
        permissions=tuple(row["permissions"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
        replaced_by=row["replaced_by"],
        origins=tuple(row["origins"]),
        per_minute=row["per_minute"],
        found_at=row["found_at"],
        revoke_when_found=row["revoke_when_found"],
    )


async def alive_of(tx: Tx, creator: str, now: datetime) -> list[dict[str, str]]:
    """What somebody made that opens something still: id, name and last letters of each."""
    return [dict(row) for row in await tx.fetch(_ALIVE_OF, tenant_id=tx.tenant_id, creator=creator, now=now)]
