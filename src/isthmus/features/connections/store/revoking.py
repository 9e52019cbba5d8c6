"""Statements over revocations that the platform has yet to take."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from isthmus.connect.spi import Account
from isthmus.engine.db import Tx


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a platform is still to be told: whose tokens, and sealed which."""

    id: str
    connection_id: str
    provider: str
    registration_id: str | None
    account: Account
    access: bytes | None
    refresh: bytes | None
    attempts: int = 0
    #: It was one person's own: the log does not say whose account it was for.
    personal: bool = False


_INSERT: Final = """
insert into token_revocations
  (tenant_id, id, connection_id, provider, registration_id, account, access, refresh, attempts, due_at, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)
"""
_LOAD: Final = """
select id, connection_id, provider, registration_id, account, access, refresh, attempts from token_revocations
where tenant_id = $1 and id = $2
"""
_PAGE: Final = """
select id, connection_id, provider, registration_id, account, access, refresh, attempts from token_revocations
where tenant_id = $1 and id > $2 order by id limit $3
"""
_FAILED: Final = """
update token_revocations set attempts = attempts + 1, due_at = $3 where tenant_id = $1 and id = $2 and attempts = $4
"""
_RESEALED: Final = "update token_revocations set access = $3, refresh = $4 where tenant_id = $1 and id = $2"
_DELETE: Final = "delete from token_revocations where tenant_id = $1 and id = $2"
_DUE: Final = "select tenant_id, id from token_revocations where due_at <= $1 order by due_at limit $2"


async def insert(tx: Tx, made: Waiting, due: datetime, at: datetime) -> None:
    """Note a revocation to be tried again."""
    account = {"id": made.account.id, "name": made.account.name, "region": made.account.region}
    held = {**account, "extra": dict(made.account.extra), "personal": made.personal}
    place = (tx.tenant_id, made.id, made.connection_id, made.provider, made.registration_id)
    await tx.execute_sql(_INSERT, *place, held, made.access, made.refresh, due, at)


def _read(row: asyncpg.Record) -> Waiting:
    held = dict(row["account"] if isinstance(row["account"], dict) else json.loads(row["account"]))
    personal = bool(held.pop("personal", False))
    return Waiting(
        row["id"],
        row["connection_id"],
        row["provider"],
        row["registration_id"],
        Account(**held),
        row["access"],
        row["refresh"],
        row["attempts"],
        personal,
    )


async def load(tx: Tx, id_: str) -> Waiting | None:
    """One revocation, while it waits."""
    rows = await tx.fetch_sql(_LOAD, tx.tenant_id, id_)
    return _read(rows[0]) if rows else None


async def page(tx: Tx, after: str, limit: int) -> list[Waiting]:
    """Some of the tenant's, in the order of their ids."""
    return [_read(row) for row in await tx.fetch_sql(_PAGE, tx.tenant_id, after, limit)]


async def update_failed(tx: Tx, waiting: Waiting, due: datetime) -> None:
    """The platform did not take it this time either."""
    await tx.execute_sql(_FAILED, tx.tenant_id, waiting.id, due, waiting.attempts)


async def update_sealed(tx: Tx, id_: str, access: bytes | None, refresh: bytes | None) -> None:
    """Put values that were sealed anew."""
    await tx.execute_sql(_RESEALED, tx.tenant_id, id_, access, refresh)


async def delete(tx: Tx, id_: str) -> bool:
    """Forget it; whether it was there."""
    return await tx.execute_sql(_DELETE, tx.tenant_id, id_) > 0


async def due(system_tx: Tx, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of what is to be tried now."""
    return [(row["tenant_id"], row["id"]) for row in await system_tx.fetch_sql(_DUE, now, limit)]
