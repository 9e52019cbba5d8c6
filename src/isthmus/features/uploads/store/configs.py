"""Statements over saved mappings and over how a tenant's products are synced."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from isthmus.engine.db import Tx

_CONFIG: Final = """
select c.enabled, c.source, c.connection_id, c.schedule, c.mapping_id, m.format as mapping, c.mode, c.on_error,
  c.conflict_rule, c.webhook_secret, c.next_at, c.version, c.created_at, c.updated_at
from product_sync_configs c left join upload_mappings m on m.tenant_id = c.tenant_id and m.id = c.mapping_id
where c.tenant_id = $1
"""
_LOCK: Final = "select 1 from product_sync_configs where tenant_id = $1 for update"
_SAVE = """
insert into product_sync_configs (tenant_id, enabled, source, connection_id, schedule, mapping_id, mode, on_error,
  conflict_rule, webhook_secret, next_at, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12)
on conflict (tenant_id) do update set enabled = excluded.enabled, source = excluded.source,
  connection_id = excluded.connection_id, schedule = excluded.schedule, mapping_id = excluded.mapping_id,
  mode = excluded.mode, on_error = excluded.on_error, conflict_rule = excluded.conflict_rule,
  webhook_secret = excluded.webhook_secret, next_at = excluded.next_at,
  version = product_sync_configs.version + $13, updated_at = excluded.updated_at
"""


async def mappings(tx: Tx) -> Sequence[Mapping[str, Any]]:
    """The tenant's saved mappings, by name."""
    return await tx.fetch_sql(
        "select id, name, format, created_at from upload_mappings where tenant_id = $1 order by name limit 500",
        tx.tenant_id,
    )


async def mapping(tx: Tx, id_: str) -> Mapping[str, Any] | None:
    """One saved mapping."""
    rows = await tx.fetch_sql(
        "select id, name, format, created_at from upload_mappings where tenant_id = $1 and id = $2", tx.tenant_id, id_
    )
    return rows[0] if rows else None


async def mapping_named(tx: Tx, name: str) -> Mapping[str, Any] | None:
    """The saved mapping with this name, which nobody else changes before the commit."""
    rows = await tx.fetch_sql(
        "select id, name, format, created_at from upload_mappings where tenant_id = $1 and name = $2 for update",
        tx.tenant_id,
        name,
    )
    return rows[0] if rows else None


async def save_mapping(tx: Tx, id_: str, name: str, form: Mapping[str, Any], now: datetime) -> str:
    """Write a mapping; one of the same name is replaced and keeps its id."""
    rows = await tx.fetch_sql(
        "insert into upload_mappings (tenant_id, id, name, format, created_at) values ($1, $2, $3, $4, $5)"
        " on conflict (tenant_id, name) do update set format = excluded.format returning id",
        *(tx.tenant_id, id_, name, form, now),
    )
    return str(rows[0]["id"])


async def drop_mapping(tx: Tx, id_: str) -> bool:
    """Remove a mapping; False when there is none."""
    rows = await tx.fetch_sql(
        "delete from upload_mappings where tenant_id = $1 and id = $2 returning id", tx.tenant_id, id_
    )
    return bool(rows)


async def config(tx: Tx, *, lock: bool = False) -> Mapping[str, Any] | None:
    """How the tenant's products are synced."""
    if lock:
        await tx.execute_sql(_LOCK, tx.tenant_id)
    rows = await tx.fetch_sql(_CONFIG, tx.tenant_id)
    return rows[0] if rows else None


async def save_config(tx: Tx, values: Mapping[str, Any], now: datetime, *, other: bool) -> None:
    """Write how the tenant's products are synced; the version grows where that is another way than before."""
    names = ("enabled", "source", "connection_id", "schedule", "mapping_id", "mode", "on_error", "conflict_rule")
    wanted = (*(values[name] for name in names), values["webhook_secret"], values["next_at"])
    await tx.execute_sql(_SAVE, tx.tenant_id, *wanted, now, int(other))


async def reseal(tx: Tx, sealed: bytes, version: int) -> None:
    """Replace the sealed secret, unless the configuration was changed meanwhile."""
    await tx.execute_sql(
        "update product_sync_configs set webhook_secret = $2 where tenant_id = $1 and version = $3",
        *(tx.tenant_id, sealed, version),
    )


async def due(tx: Tx, now: datetime, limit: int) -> list[str]:
    """Tenants whose schedule has come; across tenants, so for the system alone."""
    rows = await tx.fetch_sql(
        "select tenant_id from product_sync_configs where enabled and source = 'connection' and next_at <= $1 limit $2",
        *(now, limit),
    )
    return [row["tenant_id"] for row in rows]


async def move_on(tx: Tx, was: datetime, next_at: datetime | None) -> bool:
    """Set the next time of the tenant's schedule; False when somebody else did."""
    rows = await tx.fetch_sql(
        "update product_sync_configs set next_at = $3 where tenant_id = $1 and next_at = $2 returning next_at",
        *(tx.tenant_id, was, next_at),
    )
    return bool(rows)
