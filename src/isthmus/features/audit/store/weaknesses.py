"""Every statement about settings that weaken the deployment."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT, insert

from isthmus.engine.db import Tx, statement
from isthmus.features.audit.model.weaknesses import Standing
from isthmus.features.audit.tables import WEAK_SETTINGS as W

_MINE = W.c.tenant_id == bindparam("tenant_id")
_PUT = insert(W).values({column.name: bindparam(column.name) for column in W.c})
_PUT_IF = statement(
    _PUT.on_conflict_do_update(
        index_elements=[W.c.tenant_id, W.c.name],
        set_={name: _PUT.excluded[name] for name in ("value", "since", "until")},
        where=(W.c.value != _PUT.excluded.value) | (W.c.until != _PUT.excluded.until),
    )
)
_SEEN = statement(select(W.c.name, W.c.value, W.c.since).where(_MINE))
_GONE = statement(
    delete(W).where(_MINE, W.c.name != func.all(bindparam("names", type_=ARRAY(TEXT)))).returning(W.c.name, W.c.value)
)


async def seen(tx: Tx, tenant_id: str) -> Mapping[tuple[str, str], datetime]:
    """Since when each setting has had its value."""
    rows = await tx.fetch(_SEEN, tenant_id=tenant_id)
    return {(row["name"], row["value"]): row["since"] for row in rows}


async def put(tx: Tx, one: Standing) -> bool:
    """Keep one; False when it is known like this."""
    kept = {"name": one.name, "value": one.value, "since": one.since, "until": one.until}
    return bool(await tx.execute(_PUT_IF, tenant_id=tx.tenant_id, **kept))


async def delete_others(tx: Tx, names: Collection[str]) -> list[tuple[str, str]]:
    """Forget those that weaken no more: their names and values."""
    return [(row["name"], row["value"]) for row in await tx.fetch(_GONE, tenant_id=tx.tenant_id, names=list(names))]
