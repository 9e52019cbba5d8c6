"""Every statement about checkpoints, signing keys and the rows that are sealed."""

import asyncpg
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.audit.model import checkpoints as model
from isthmus.features.audit.model import merkle
from isthmus.features.audit.model.checkpoints import Checkpoint, Restored, Row, Stretch
from isthmus.features.audit.tables import KEYS as K

_LOCK = "select pg_try_advisory_xact_lock($1) as mine"
_SEALER = 0x15744 << 20
_CHECKPOINT = """
select number, made_at, first_xid, first_id, last_xid, last_id, leaves, tenants, root, previous, key_id, signature,
  epoch, floor_id
from audit_checkpoints
"""
_NEWEST_ONE = _CHECKPOINT + "order by number desc limit 1"
_SOME = _CHECKPOINT + "where number > $1 order by number limit $2"
_ADD = """
insert into audit_checkpoints
  (number, made_at, first_xid, first_id, last_xid, last_id, leaves, tenants, root, previous, key_id, signature,
   epoch, floor_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
#: Every column in the database's own words, so that an entry has the same bytes whoever reads it. The last two stand in
#: it where there is one of them: entries of before there were such columns keep the bytes that were sealed.
_ROWS = """
select xid, id, tenant_id, convert_to((jsonb_build_array(
    tenant_id, id, xid::text, type, subject, floor(extract(epoch from at) * 1000000)::bigint::text, public, audited,
    body, actor, address, request_id, before, after)
    || case when route is null and on_behalf_of is null then '[]' else jsonb_build_array(route, on_behalf_of) end
  )::text, 'UTF8') as entry
from events
where audited and day = 'infinity' and (xid, id) > ($1, $2) and id > $3
"""
_NEW = _ROWS + "and xid < pg_snapshot_xmin(pg_current_snapshot()) order by xid, id limit $4"
_CAME = _ROWS + "and xid >= pg_snapshot_xmax(pg_current_snapshot()) order by xid, id limit $4"
_BETWEEN = _ROWS + "and (xid, id) <= ($4, $5) and ($6::text is null or id <= $6) order by xid, id"
_UNSEALED = """
select count(*) as count, min(at) as oldest from events
where audited and day = 'infinity' and (xid, id) > ($1, $2) and id > $3
"""
_NEXT = "select pg_snapshot_xmax(pg_current_snapshot()) as xid"
_RESTORED = """
select max(id) as top, coalesce(bool_or((xid, id) > ($1, $2)), false) as unsealed from events
where audited and day = 'infinity' and xid >= pg_snapshot_xmax(pg_current_snapshot())
"""
_FLOORS = "select epoch, min(floor_id) as floor from audit_checkpoints where epoch > 0 group by epoch"
_COVERING = (
    _CHECKPOINT
    + """
where epoch = $1 and (last_xid, last_id) >= ($2, $3) order by number limit 1
"""
)
_ONE = _ROWS.replace("(xid, id) > ($1, $2) and id > $3", "tenant_id = $1 and id = $2")
#: Who is, or was, being deleted says the deployment's own part of the log, which is sealed like all of it.
_ERASED = "select distinct subject from events where tenant_id = $1 and type = $2 and audited and day = 'infinity'"
_COLUMNS = (K.c.id, K.c.public, K.c.sealed, K.c.created_at)
_MINE = K.c.tenant_id == bindparam("tenant_id")
_KEYS = statement(select(*_COLUMNS).where(_MINE).order_by(K.c.id))
_NEWEST = statement(select(*_COLUMNS).where(_MINE).order_by(K.c.id.desc()).limit(1))
_MAKE = statement(insert(K).values({column.name: bindparam(column.name) for column in K.c}))


async def lock(tx: Tx) -> bool:
    """Become the one who seals, for this transaction; False when another process does."""
    return bool((await tx.fetch_sql(_LOCK, _SEALER))[0]["mine"])


async def newest(tx: Tx) -> Checkpoint | None:
    """The newest checkpoint."""
    rows = await tx.fetch_sql(_NEWEST_ONE)
    return _checkpoint(rows[0]) if rows else None


async def checkpoints(tx: Tx, after: int, limit: int) -> list[Checkpoint]:
    """Those behind a number, in their order."""
    rows = await tx.fetch_sql(_SOME, after, limit)
    return [_checkpoint(row) for row in rows]


async def insert_checkpoint(tx: Tx, one: Checkpoint) -> None:
    """Keep a checkpoint."""
    await tx.execute_sql(
        _ADD,
        one.number,
        one.made_at,
        *one.first,
        *one.last,
        b"".join(one.leaves),
        list(one.tenants),
        one.root,
        one.previous,
        one.key_id,
        one.signature,
        one.epoch,
        one.floor,
    )


async def next_stretch(tx: Tx, before: Checkpoint | None) -> Stretch:
    """Where sealing goes on behind this checkpoint."""
    next_xid = (await tx.fetch_sql(_NEXT))[0]["xid"]
    restored = None
    if before is not None and before.last[0] >= next_xid:
        found = (await tx.fetch_sql(_RESTORED, *before.last))[0]
        # without an audited row of before the restore the last that was sealed is the last there was
        restored = Restored(found["unsealed"], found["top"] or before.last[1])
    return model.next_stretch(before, next_xid, restored)


async def unsealed_rows(tx: Tx, stretch: Stretch, limit: int) -> list[Row]:
    """Entries of a stretch that nothing can come before any more, in their order."""
    wanted = _CAME if stretch.restored else _NEW
    return [_row(row) for row in await tx.fetch_sql(wanted, *stretch.after, stretch.floor, limit)]


async def sealed_rows(tx: Tx, stretch: Stretch, last: tuple[int, str], ceiling: str | None = None) -> list[Row]:
    """Entries of a stretch, up to and with one; `ceiling` is the last id of the epoch."""
    return [_row(row) for row in await tx.fetch_sql(_BETWEEN, *stretch.after, stretch.floor, *last, ceiling)]


async def unsealed(tx: Tx, stretch: Stretch) -> asyncpg.Record:
    """`count` and time of the `oldest` entry of a stretch."""
    return (await tx.fetch_sql(_UNSEALED, *stretch.after, stretch.floor))[0]


async def floors(tx: Tx) -> dict[int, str]:
    """The last id before each epoch but the first."""
    return {row["epoch"]: row["floor"] for row in await tx.fetch_sql(_FLOORS)}


async def entry(tx: Tx, tenant_id: str, entry_id: str) -> Row | None:
    """One entry of a tenant, as it is sealed."""
    rows = await tx.fetch_sql(_ONE, tenant_id, entry_id)
    return _row(rows[0]) if rows else None


async def covering(tx: Tx, epoch: int, place: tuple[int, str]) -> Checkpoint | None:
    """The checkpoint whose stretch a place is in."""
    rows = await tx.fetch_sql(_COVERING, epoch, *place)
    return _checkpoint(rows[0]) if rows else None


async def subjects(tx: Tx, tenant_id: str, kind: str) -> frozenset[str]:
    """What a tenant's audited events of one type are about."""
    return frozenset(row["subject"] for row in await tx.fetch_sql(_ERASED, tenant_id, kind))


async def signing_keys(tx: Tx) -> list[asyncpg.Record]:
    """The tenant's keys, the oldest first."""
    return await tx.fetch(_KEYS, tenant_id=tx.tenant_id)


async def newest_key(tx: Tx) -> asyncpg.Record | None:
    """The key in use."""
    return await tx.fetchrow(_NEWEST, tenant_id=tx.tenant_id)


async def insert_key(tx: Tx, values: dict[str, object]) -> None:
    """Keep a key: its `id`, `public` half, `sealed` private half, and `created_at`."""
    await tx.execute(_MAKE, tenant_id=tx.tenant_id, **values)


async def update_sealed(tx: Tx, key_id: str, sealed: bytes) -> None:
    """The same private key under another data key."""
    await tx.execute_sql(
        "update audit_keys set sealed = $3 where tenant_id = $1 and id = $2", tx.tenant_id, key_id, sealed
    )


def _row(row: asyncpg.Record) -> Row:
    return Row(row["xid"], row["id"], row["tenant_id"], bytes(row["entry"]))


def _checkpoint(row: asyncpg.Record) -> Checkpoint:
    return Checkpoint(
        number=row["number"],
        made_at=row["made_at"],
        first=(row["first_xid"], row["first_id"]),
        last=(row["last_xid"], row["last_id"]),
        leaves=tuple(merkle.split(bytes(row["leaves"]))),
        tenants=tuple(row["tenants"]),
        root=bytes(row["root"]),
        previous=bytes(row["previous"]),
        key_id=row["key_id"],
        signature=bytes(row["signature"]),
        epoch=row["epoch"],
        floor=row["floor_id"],
    )
