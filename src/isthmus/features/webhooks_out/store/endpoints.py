"""Endpoints, and a tenant's own event types."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import Text, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.engine.db import Tx, statement
from isthmus.features.webhooks_out.model import Condition, Endpoint
from isthmus.features.webhooks_out.tables import DELIVERIES, ENDPOINTS, EVENT_TYPES

_E, _T = ENDPOINTS.c, EVENT_TYPES.c
_ALL = [column for column in ENDPOINTS.c if column.name not in ("backlog", "parked_at", "untold")]
_MINE = (_E.tenant_id == bindparam("tenant_id"), _E.id == bindparam("id"))
_BY_ID = statement(select(*_ALL).where(*_MINE))
_LOCKED = statement(select(*_ALL).where(*_MINE).with_for_update())
_SEVERAL = statement(
    select(*_ALL).where(_E.tenant_id == bindparam("tenant_id"), _E.id == func.any(bindparam("ids", type_=ARRAY(Text))))
)
_PAGE = statement(
    select(*_ALL)
    .where(_E.tenant_id == bindparam("tenant_id"), _E.id > bindparam("after"))
    .order_by(_E.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_COUNT = statement(select(func.count()).select_from(ENDPOINTS).where(_E.tenant_id == bindparam("tenant_id")))
_OWN = (
    *("url", "description", "types", "conditions", "rate", "concurrency", "ordered", "state", "state_reason"),
    *("scheme", "public_key", "secret", "previous_secret", "previous_until", "secret_version"),
    *("headers", "header_names", "health", "updated_at", "maker"),
)
_INSERT = statement(
    insert(ENDPOINTS).values({name: bindparam(name) for name in ("tenant_id", "id", *_OWN, "created_at")})
)
_UPDATE = statement(
    update(ENDPOINTS)
    .where(_E.tenant_id == bindparam("its_tenant"), _E.id == bindparam("its_id"))
    .values({**{name: bindparam(name) for name in _OWN}, "version": _E.version + 1})
)
_DELETE = statement(delete(ENDPOINTS).where(*_MINE))
_DELETE_DELIVERIES = statement(
    delete(DELIVERIES).where(
        DELIVERIES.c.tenant_id == bindparam("tenant_id"), DELIVERIES.c.endpoint_id == bindparam("id")
    )
)
_TYPES = statement(
    select(_T.id, _T.description, _T.schema, _T.version).where(_T.tenant_id == bindparam("tenant_id")).order_by(_T.id)
)
_DELETE_TYPE = statement(delete(EVENT_TYPES).where(_T.tenant_id == bindparam("tenant_id"), _T.id == bindparam("id")))


async def endpoint(tx: Tx, endpoint_id: str, *, lock: bool = False) -> Endpoint | None:
    """One endpoint of the transaction's tenant."""
    row = await tx.fetchrow(_LOCKED if lock else _BY_ID, tenant_id=tx.tenant_id, id=endpoint_id)
    return made(row) if row else None


async def page(tx: Tx, after: str, offset: int, limit: int) -> list[Endpoint]:
    """Endpoints in the order of their making."""
    rows = await tx.fetch(_PAGE, tenant_id=tx.tenant_id, after=after, limit=limit, offset=offset)
    return [made(row) for row in rows]


async def count(tx: Tx, *, held: bool = True) -> int:
    """How many endpoints the tenant has; `held` by a lock, that stays true until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 43))", tx.tenant_id)
    return int(await tx.fetchval(_COUNT, tenant_id=tx.tenant_id))


async def insert_endpoint(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add an endpoint."""
    await tx.execute(_INSERT, tenant_id=tx.tenant_id, **values)


async def update_endpoint(tx: Tx, endpoint_id: str, values: Mapping[str, Any]) -> None:
    """Change an endpoint; its version grows, and senders notice."""
    await tx.execute(_UPDATE, its_tenant=tx.tenant_id, its_id=endpoint_id, **values)


async def delete_endpoint(tx: Tx, endpoint_id: str) -> bool:
    """Remove an endpoint and its deliveries; attempts go with the sweep."""
    if not await tx.execute(_DELETE, tenant_id=tx.tenant_id, id=endpoint_id):
        return False
    await tx.execute(_DELETE_DELIVERIES, tenant_id=tx.tenant_id, id=endpoint_id)
    return True


def columns(endpoint: Endpoint) -> dict[str, Any]:
    """The values of an endpoint that its owner decides, ready to be changed and written."""
    values = {name: getattr(endpoint, name) for name in _OWN}
    values["types"], values["header_names"] = list(endpoint.types), list(endpoint.header_names)
    values["conditions"] = [[one.field, one.operator, one.value] for one in endpoint.conditions]
    return values


async def sealed_page(tx: Tx, after: str, limit: int) -> list[asyncpg.Record]:
    """Sealed columns, for sealing them anew."""
    return await tx.fetch_sql(
        """
        select id, secret_version, secret, previous_secret, headers from webhook_endpoints
        where tenant_id = $1 and id > $2 order by id limit $3 for update
        """,
        tx.tenant_id,
        after,
        limit,
    )


async def update_sealed(tx: Tx, endpoint_id: str, secret: bytes, previous: bytes | None, headers: bytes | None) -> None:
    """Write sealed columns anew; what they hold stays the same."""
    await tx.execute_sql(
        "update webhook_endpoints set secret = $3, previous_secret = $4, headers = $5, version = version + 1"
        " where tenant_id = $1 and id = $2",
        tx.tenant_id,
        endpoint_id,
        secret,
        previous,
        headers,
    )


async def event_types(tx: Tx) -> list[asyncpg.Record]:
    """The tenant's own event types."""
    return await tx.fetch(_TYPES, tenant_id=tx.tenant_id)


async def put_event_type(tx: Tx, name: str, description: str, schema: Mapping[str, Any], at: datetime) -> int:
    """Add or change a type; its version, which grows with another schema."""
    rows = await tx.fetch_sql(
        """
        insert into webhook_event_types as t (tenant_id, id, description, schema, created_at)
        values ($1, $2, $3, $4, $5)
        on conflict (tenant_id, id) do update set description = excluded.description, schema = excluded.schema,
          version = t.version + case when t.schema = excluded.schema then 0 else 1 end
        returning version
        """,
        tx.tenant_id,
        name,
        description,
        dict(schema),
        at,
    )
    return int(rows[0]["version"])


async def event_type(tx: Tx, name: str) -> Mapping[str, Any] | None:
    """The schema of the tenant's own type."""
    rows = await tx.fetch_sql(
        "select schema from webhook_event_types where tenant_id = $1 and id = $2", tx.tenant_id, name
    )
    return dict(rows[0]["schema"]) if rows else None


async def registered(tx: Tx, name: str) -> Mapping[str, Any] | None:
    """The description and the schema of the tenant's own type, which nobody else changes before the commit."""
    rows = await tx.fetch_sql(
        "select description, schema from webhook_event_types where tenant_id = $1 and id = $2 for update",
        *(tx.tenant_id, name),
    )
    return dict(rows[0]) if rows else None


async def count_event_types(tx: Tx, *, held: bool = True) -> int:
    """How many types of its own the tenant has; `held` by a lock, that stays true until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 53))", tx.tenant_id)
    rows = await tx.fetch_sql("select count(*) as n from webhook_event_types where tenant_id = $1", tx.tenant_id)
    return int(rows[0]["n"])


async def delete_event_type(tx: Tx, name: str) -> bool:
    """Remove a type."""
    return bool(await tx.execute(_DELETE_TYPE, tenant_id=tx.tenant_id, id=name))


def made(row: asyncpg.Record) -> Endpoint:
    """An endpoint of a row that holds all its columns."""
    values = {column.name: row[column.name] for column in _ALL}
    values["conditions"] = conditions(row["conditions"])
    return Endpoint(**values)


def conditions(stored: Sequence[Sequence[Any]]) -> list[Condition]:
    """Conditions as the column keeps them."""
    return [Condition(*one) for one in stored]


async def any_endpoint(tx: Tx) -> bool:
    """Whether anybody has an endpoint that messages are written for; as the system."""
    rows = await tx.fetch_sql("select exists (select from webhook_endpoints where state <> 'unverified') as x")
    return bool(rows[0]["x"])


async def pause_of(tx: Tx, tenant_id: str, maker: str) -> int:
    """Pause what somebody made, with the reason, and take their name off what is not verified yet; as the system."""
    return await tx.execute_sql(
        """
        update webhook_endpoints
        set state = case state when 'active' then 'paused' else state end,
          state_reason = case state when 'active' then 'maker_left' end,
          maker = case state when 'active' then maker else '' end,
          version = version + 1, untold = state = 'active'
        where tenant_id = $1 and maker = $2 and state in ('active', 'unverified')
        """,
        tenant_id,
        maker,
    )


async def halt(tx: Tx, tenant_id: str) -> int:
    """Pause all of a tenant's endpoints that send, with the reason; as the system."""
    return await tx.execute_sql(
        """
        update webhook_endpoints
        set state = 'paused', state_reason = 'tenant_suspended', version = version + 1, untold = true
        where tenant_id = $1 and state = 'active'
        """,
        tenant_id,
    )


async def let_go(tx: Tx, tenant_id: str) -> int:
    """Let those send again that `halt` has paused; as the system."""
    return await tx.execute_sql(
        """
        update webhook_endpoints set state = 'active', state_reason = null, version = version + 1, untold = false
        where tenant_id = $1 and state = 'paused' and state_reason = 'tenant_suspended'
        """,
        tenant_id,
    )


async def wipe(tx: Tx, endpoint_id: str) -> None:
    """Forget the failures of an endpoint of the transaction's tenant: it begins anew."""
    await tx.execute_sql(
        "update webhook_endpoints set failures = 0, first_failure_at = null, parked_at = null"
        " where tenant_id = $1 and id = $2",
        tx.tenant_id,
        endpoint_id,
    )


async def any_open(tx: Tx) -> bool:
    """Whether deliveries of any endpoint wait without being planned, or anybody is to be told; as the system."""
    rows = await tx.fetch_sql(
        "select exists (select from webhook_endpoints where untold or backlog is not null and state = 'active') as x"
    )
    return bool(rows[0]["x"])


async def untold(tx: Tx, limit: int) -> list[asyncpg.Record]:
    """Endpoints that were paused without their owners' doing, and of which nobody was told; as the system."""
    return await tx.fetch_sql("select tenant_id, id from webhook_endpoints where untold limit $1", limit)


async def tell(tx: Tx, endpoint_id: str) -> asyncpg.Record | None:
    """Note that it is told; what is to be told, or None where somebody did so or the endpoint goes on again."""
    rows = await tx.fetch_sql(
        """
        update webhook_endpoints set untold = false where tenant_id = $1 and id = $2 and untold
        returning url, state, state_reason
        """,
        tx.tenant_id,
        endpoint_id,
    )
    return rows[0] if rows and rows[0]["state"] == "paused" and rows[0]["state_reason"] else None


async def several(tx: Tx, endpoint_ids: Sequence[str]) -> list[Endpoint]:
    """Some endpoints of the tenant."""
    return [made(row) for row in await tx.fetch(_SEVERAL, tenant_id=tx.tenant_id, ids=list(endpoint_ids))]


async def retention(tx: Tx, default: int) -> int:
    """For how many days the tenant's deliveries are kept."""
    rows = await tx.fetch_sql("select days from webhook_retention where tenant_id = $1", tx.tenant_id)
    return int(rows[0]["days"]) if rows else default


async def hold_retention(tx: Tx) -> None:
    """Nobody else chooses for how long the tenant's deliveries and events are kept before the commit."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 79))", tx.tenant_id)


async def put_retention(tx: Tx, days: int, at: datetime) -> None:
    """Keep for so many days; senders notice by the versions of the endpoints."""
    await tx.execute_sql(
        """
        insert into webhook_retention (tenant_id, days, changed_at) values ($1, $2, $3)
        on conflict (tenant_id) do update set days = excluded.days, changed_at = excluded.changed_at
        """,
        tx.tenant_id,
        days,
        at,
    )
    await tx.execute_sql("update webhook_endpoints set version = version + 1 where tenant_id = $1", tx.tenant_id)


async def longest_retention(tx: Tx) -> int:
    """The longest that any tenant asked for; as the system."""
    return int((await tx.fetch_sql("select coalesce(max(days), 0) as days from webhook_retention"))[0]["days"])


async def own_retentions(tx: Tx) -> dict[str, int]:
    """Tenants that chose a number of days themselves, and which; as the system."""
    return {
        row["tenant_id"]: row["days"] for row in await tx.fetch_sql("select tenant_id, days from webhook_retention")
    }


async def retentions(tx: Tx, after: str, default: int) -> list[asyncpg.Record]:
    """Some tenants with endpoints, and for how many days each keeps its deliveries; as the system."""
    return await tx.fetch_sql(
        """
        select e.tenant_id, coalesce(r.days, $2) as days
        from (select distinct tenant_id from webhook_endpoints where tenant_id > $1 order by tenant_id limit 500) e
        left join webhook_retention r on r.tenant_id = e.tenant_id order by e.tenant_id
        """,
        after,
        default,
    )
