"""Every statement about issuers to sign in at that were added by API."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.login_issuers import KeptIssuer
from isthmus.features.access.tables import LOGIN_ISSUERS as L

_MINE = L.c.tenant_id == bindparam("tenant_id")
_COLUMNS = tuple(column for column in L.c if column.name != "tenant_id")
_ONE = statement(select(*_COLUMNS).where(_MINE, L.c.id == bindparam("id")))
_LOCKED = statement(select(*_COLUMNS).where(_MINE, L.c.id == bindparam("id")).with_for_update())
_ALL = statement(select(*_COLUMNS).where(_MINE).order_by(L.c.id))
_ADD = statement(insert(L).values({column.name: bindparam(column.name) for column in L.c}).on_conflict_do_nothing())
_CHANGE = statement(
    update(L)
    .values({name: bindparam(name) for name in ("label", "client_id", "secret_sealed", "algorithms", "updated_at")})
    .where(_MINE, L.c.id == bindparam("id"))
)
_DROP = statement(delete(L).where(_MINE, L.c.id == bindparam("id")))
_SEALED = statement(
    select(L.c.id, L.c.secret_sealed)
    .where(_MINE, L.c.id > bindparam("after"), L.c.secret_sealed.is_not(None))
    .order_by(L.c.id)
    .limit(bindparam("limit"))
)
_RESEAL = statement(
    update(L)
    .values(secret_sealed=bindparam("sealed"))
    .where(_MINE, L.c.id == bindparam("id"), L.c.secret_sealed == bindparam("seen"))
)


async def hold(tx: Tx) -> None:
    """Nobody else adds an issuer until the commit: how many there are stays true."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 41))", tx.tenant_id)


async def issuer(tx: Tx, name: str, *, locked: bool = False) -> KeptIssuer | None:
    """One of them."""
    row = await tx.fetchrow(_LOCKED if locked else _ONE, tenant_id=tx.tenant_id, id=name)
    return _issuer(row) if row else None


async def issuers(tx: Tx) -> list[KeptIssuer]:
    """All of them, by name."""
    return [_issuer(row) for row in await tx.fetch(_ALL, tenant_id=tx.tenant_id)]


async def insert_issuer(tx: Tx, made: KeptIssuer) -> bool:
    """Add one; False when its name or its issuer is there already."""
    about = {"issuer": made.issuer, "created_by": made.created_by, "created_at": made.created_at}
    return bool(await tx.execute(_ADD, tenant_id=tx.tenant_id, **about, **_values(made)))


async def update_issuer(tx: Tx, changed: KeptIssuer) -> None:
    """Keep it as it is now."""
    await tx.execute(_CHANGE, tenant_id=tx.tenant_id, **_values(changed))


async def delete_issuer(tx: Tx, name: str) -> None:
    """Forget one."""
    await tx.execute(_DROP, tenant_id=tx.tenant_id, id=name)


async def sealed_issuers(tx: Tx, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Secrets behind a name, for sealing them anew."""
    rows = await tx.fetch(_SEALED, tenant_id=tx.tenant_id, after=after, limit=limit)
    return [(row["id"], row["secret_sealed"]) for row in rows]


async def reseal_issuer(tx: Tx, name: str, seen: bytes, sealed: bytes) -> None:
    """The same secret under another key, unless it was changed meanwhile."""
    await tx.execute(_RESEAL, tenant_id=tx.tenant_id, id=name, seen=seen, sealed=sealed)


def _values(one: KeptIssuer) -> Mapping[str, str | bytes | datetime | list[str] | None]:
    return {
        "id": one.name,
        "label": one.label,
        "client_id": one.client_id,
        "secret_sealed": one.sealed,
        "algorithms": list(one.algorithms),
        "updated_at": one.updated_at,
    }


def _issuer(row: asyncpg.Record) -> KeptIssuer:
    return KeptIssuer(
        name=row["id"],
        issuer=row["issuer"],
        label=row["label"],
        client_id=row["client_id"],
        sealed=row["secret_sealed"],
        algorithms=tuple(row["algorithms"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
