"""Statements over integrations, connections and the accounts they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    Boolean,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from isthmus.connect.manifest import Manifest
from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.connections.model.connection import Connection, Filters, Owner, Status
from isthmus.features.connections.model.integration import sees_all
from isthmus.features.connections.tables import account_claims as claims
from isthmus.features.connections.tables import connections as c
from isthmus.features.connections.tables import integrations as i
from isthmus.features.connections.tables import oauth_flows as f
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import Principal

#: Why the connections of somebody who was removed open nothing.
DEPARTED = "the member was removed"
_TENANT: BindParameter[str] = bindparam("tenant_id")
_COLUMNS = (
    c.c.id, c.c.integration_id, i.c.name, c.c.provider, c.c.auth, c.c.registration_id, c.c.status, c.c.status_reason,
    c.c.external_account_id, c.c.account, c.c.hosts_digest, c.c.token_version, c.c.expires_at, c.c.refresh_expires_at,
    c.c.last_tested_at, c.c.created_at, c.c.updated_at, i.c.settings, c.c.scope, c.c.user_id, c.c.owner_id,
    c.c.connected_at, c.c.test_failures, c.c.test_error, i.c.enabled, i.c.user_scoped, i.c.proxy_enabled,
    i.c.allowed_types, i.c.types_changed_at, i.c.allowed_roles, i.c.allowed_users,
)  # fmt: skip
_JOINED = c.join(i, and_(i.c.tenant_id == c.c.tenant_id, i.c.id == c.c.integration_id))
_OWN = and_(c.c.tenant_id == _TENANT, c.c.id == bindparam("id"))

#: The tenant's own connections, or those of one person.
_OF_OWNER = c.c.owner_id.is_not_distinct_from(bindparam("owner", type_=Text))

_BY_ID = statement(select(*_COLUMNS).select_from(_JOINED).where(_OWN))
_BY_ID_LOCKED = statement(select(*_COLUMNS).select_from(_JOINED).where(_OWN).with_for_update(of=c))
_BY_INTEGRATION = statement(
    select(*_COLUMNS)
    .select_from(_JOINED)
    .where(c.c.tenant_id == _TENANT, c.c.integration_id == bindparam("integration_id"), _OF_OWNER)
    .order_by(c.c.created_at)
    .limit(1)
)
_BY_ACCOUNTS = statement(
    select(c.c.external_account_id, c.c.id).where(
        c.c.tenant_id == _TENANT,
        c.c.provider == bindparam("provider"),
        c.c.external_account_id == func.any(bindparam("accounts", type_=ARRAY(Text))),
        _OF_OWNER,
    )
)
_FREE_INTEGRATION = statement(
    select(i.c.id)
    .where(
        i.c.tenant_id == _TENANT,
        i.c.provider == bindparam("provider"),
        # What a person made keeps its name; what a consent made takes the name of the next shop.
        or_(
            and_(bindparam("name", type_=Text).is_(None), i.c.enabled_by.is_(None)),
            i.c.name == bindparam("name", type_=Text),
        ),
        i.c.enabled,
        ~i.c.user_scoped,
        ~select(c.c.id).where(c.c.tenant_id == i.c.tenant_id, c.c.integration_id == i.c.id).exists(),
    )
    .order_by(i.c.created_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_MADE = ("tenant_id", "id", "provider", "category", "name", "settings", "status")
_ADD_INTEGRATION = statement(
    insert(i).values({name: bindparam(name) for name in _MADE})
    .values(created_at=bindparam("now"), updated_at=bindparam("now"))
)  # fmt: skip
_CHANGE_INTEGRATION = statement(
    update(i)
    .where(i.c.tenant_id == _TENANT, i.c.id == bindparam("integration_id"))
    .values(
        status=case((i.c.user_scoped, i.c.status), else_=bindparam("new_status")),
        name=func.coalesce(bindparam("new_name"), i.c.name),
        settings=func.coalesce(bindparam("new_settings"), i.c.settings),
        updated_at=bindparam("now"),
    )
)
_FOLLOW = statement(
    update(i)
    .where(
        i.c.tenant_id == _TENANT,
        i.c.id
        == select(c.c.integration_id).where(c.c.tenant_id == _TENANT, c.c.id == bindparam("id")).scalar_subquery(),
        ~i.c.user_scoped,
    )
    .values(status=bindparam("new_status"), updated_at=bindparam("now"))
)
_ADD = statement(
    insert(c)
    .values(
        {name: bindparam(name) for name in ("tenant_id", "id", "integration_id", "provider", "auth", "registration_id")}
    )
    .values(user_id=bindparam("user_id"), owner_id=bindparam("owner_id"))
    .values(status=bindparam("status"), created_at=bindparam("now"), updated_at=bindparam("now"))
)
_SET_STATUS = statement(
    update(c)
    .where(_OWN, c.c.status == func.any(bindparam("before", type_=ARRAY(Text))))
    .values(status=bindparam("status"), status_reason=bindparam("reason"), updated_at=bindparam("now"))
)
_CLEAR = statement(
    update(c)
    .where(_OWN)
    .values(
        status=bindparam("status"), status_reason=bindparam("reason"), updated_at=bindparam("now"),
        access_token=None, refresh_token=None, previous_refresh=None, credentials=None,
        expires_at=None, refresh_expires_at=None, token_version=c.c.token_version + 1,
        lease_owner=None, lease_until=None, sending_since=None, retry_at=None,
        previous_credentials=None, previous_until=None, next_test_at=None,
    )
)  # fmt: skip
_DELETE = statement(delete(c).where(_OWN).returning(c.c.integration_id))
_DELETE_UNUSED = statement(
    delete(i).where(
        i.c.tenant_id == _TENANT,
        i.c.id == bindparam("integration_id"),
        i.c.enabled_by.is_(None),
        ~select(c.c.id).where(c.c.tenant_id == i.c.tenant_id, c.c.integration_id == i.c.id).exists(),
    )
)
_ABANDONED = statement(
    select(c.c.tenant_id, c.c.id)
    .where(
        c.c.status == Status.PENDING.value,
        c.c.status_reason.is_(None),
        c.c.token_version == 0,
        c.c.updated_at < bindparam("before"),
        ~select(f.c.connection_id).where(f.c.tenant_id == c.c.tenant_id, f.c.connection_id == c.c.id).exists(),
    )
    .limit(200)
)
_CLAIM = statement(
    pg_insert(claims)
    .values({name: bindparam(name) for name in ("tenant_id", "provider", "external_account_id", "connection_id")})
    .values(created_at=bindparam("now"))
    .on_conflict_do_nothing()
    .returning(claims.c.connection_id)
)
_OWN_CLAIM = statement(
    select(claims.c.connection_id).where(
        claims.c.tenant_id == _TENANT,
        claims.c.provider == bindparam("provider"),
        claims.c.external_account_id == bindparam("external_account_id"),
    )
)
_OWNERS = statement(
    select(c.c.id, c.c.owner_id).where(
        c.c.tenant_id == _TENANT, c.c.id == func.any(bindparam("ids", type_=ARRAY(Text)))
    )
)
#: Held until the commit: what may pass does not change while somebody writes it.
_ALLOWED = """
select i.allowed_types from connections c join integrations i on i.tenant_id = c.tenant_id and i.id = c.integration_id
where c.tenant_id = $1 and c.id = $2 for key share of i
"""
_OF_PERSON = statement(
    select(*_COLUMNS).select_from(_JOINED).where(c.c.tenant_id == _TENANT, c.c.owner_id == bindparam("owner"))
)
_SOME = statement(
    select(*_COLUMNS).select_from(_JOINED).where(c.c.tenant_id == _TENANT).order_by(c.c.id).limit(bindparam("limit"))
)
_LEAVE = statement(
    update(c)
    .where(c.c.tenant_id == _TENANT, c.c.owner_id == bindparam("owner"))
    .values(status=Status.EXPIRED.value, status_reason=DEPARTED)
)
_LEFT = statement(
    select(c.c.tenant_id, c.c.user_id)
    .where(c.c.owner_id.is_not(None), c.c.status_reason == DEPARTED)
    .distinct()
    .limit(bindparam("most"))
)
_PEOPLE = statement(
    select(c.c.user_id, c.c.provider, c.c.status, func.coalesce(c.c.connected_at, c.c.created_at).label("since"))
    .where(c.c.tenant_id == _TENANT, c.c.integration_id == bindparam("integration_id"), c.c.owner_id.is_not(None))
    .order_by(c.c.id)
    .limit(bindparam("most"))
)
_HOLDER = statement(
    select(claims.c.tenant_id, claims.c.connection_id).where(
        claims.c.provider == bindparam("provider"), claims.c.external_account_id == bindparam("external_account_id")
    )
)


def for_some(integration: Table) -> ColumnElement[bool]:
    """Whether an integration may be used by this caller, as `model.integration.usable_by` says it."""
    nobody: ColumnElement[Any] = literal_column("'{}'::text[]")
    return or_(
        bindparam("sees_all", type_=Boolean),
        and_(integration.c.allowed_roles == nobody, integration.c.allowed_users == nobody),
        integration.c.allowed_roles.op("&&")(bindparam("roles", type_=ARRAY(Text))),
        bindparam("subject", type_=Text) == func.any(integration.c.allowed_users),
    )


_FILTERS: tuple[ColumnElement[bool], ...] = (
    c.c.tenant_id == _TENANT,
    or_(bindparam("provider", type_=Text).is_(None), c.c.provider == bindparam("provider")),
    or_(bindparam("status", type_=Text).is_(None), c.c.status == bindparam("status")),
    or_(
        bindparam("search", type_=Text).is_(None),
        func.strpos(func.lower(i.c.name), bindparam("search")) > 0,
        func.strpos(func.lower(func.coalesce(c.c.external_account_id, "")), bindparam("search")) > 0,
    ),
    or_(c.c.owner_id.is_(None), c.c.owner_id == bindparam("owner", type_=Text)),
    for_some(i),
)
_TOTAL = statement(select(func.count()).select_from(_JOINED).where(*_FILTERS))
SORTABLE = {"createdAt": c.c.created_at, "updatedAt": c.c.updated_at, "name": i.c.name, "status": c.c.status}


def _listing(order: ColumnElement[Any], *, descending: bool) -> Statement:
    places = (order.desc(), c.c.id.desc()) if descending else (order.asc(), c.c.id.asc())
    page: Select[Any] = select(*_COLUMNS).select_from(_JOINED).where(*_FILTERS).order_by(*places)
    return statement(page.limit(bindparam("limit")).offset(bindparam("offset")))


_LISTINGS: Mapping[tuple[str, bool], Statement] = {
    (name, descending): _listing(column, descending=descending)
    for name, column in SORTABLE.items()
    for descending in (True, False)
}


def _connection(row: asyncpg.Record) -> Connection:
    values = dict(row)
    values["account_id"] = values.pop("external_account_id")
    values["status"] = Status(values["status"])
    for name in ("allowed_types", "allowed_roles", "allowed_users"):
        values[name] = tuple(values[name])
    return Connection(**values)


async def by_id(tx: Tx, connection_id: str, *, lock: bool = False) -> Connection | None:
    """One connection; `lock` holds its row until the commit."""
    found = await tx.fetchrow(_BY_ID_LOCKED if lock else _BY_ID, tenant_id=tx.tenant_id, id=connection_id)
    return _connection(found) if found else None


async def by_integration(tx: Tx, integration_id: str, owner: str | None = None) -> Connection | None:
    """The tenant's connection of an integration, or that of one person."""
    found = await tx.fetchrow(_BY_INTEGRATION, tenant_id=tx.tenant_id, integration_id=integration_id, owner=owner)
    return _connection(found) if found else None


async def by_accounts(tx: Tx, provider: str, accounts: Sequence[str], owner: str | None) -> dict[str, str]:
    """Which of these accounts this tenant, or this person in it, has connected, and by which connection."""
    narrowed = {"provider": provider, "accounts": list(accounts), "owner": owner}
    rows = await tx.fetch(_BY_ACCOUNTS, tenant_id=tx.tenant_id, **narrowed)
    return {row["external_account_id"]: row["id"] for row in rows}


async def page(
    tx: Tx, who: Principal, filters: Filters, ask: Ask, sort: str, *, descending: bool
) -> tuple[list[Connection], int]:
    """Some of the connections that are there for this caller, and how many there are in all."""
    narrowed = {
        "tenant_id": tx.tenant_id,
        "owner": who.id,
        "subject": who.subject,
        "roles": sorted(who.roles),
        "sees_all": sees_all(who),
        "provider": filters.provider,
        "status": filters.status,
        "search": filters.search.lower() if filters.search else None,
    }
    listing = _LISTINGS[(sort, descending)]
    rows = await tx.fetch(listing, limit=ask.limit, offset=ask.offset, **narrowed)
    total: int = await tx.fetchval(_TOTAL, **narrowed)
    return [_connection(row) for row in rows], total


async def free_integration(tx: Tx, provider: str, name: str | None) -> str | None:
    """An integration of this provider that has no connection."""
    found: str | None = await tx.fetchval(_FREE_INTEGRATION, tenant_id=tx.tenant_id, provider=provider, name=name)
    return found


async def insert_integration(
    tx: Tx, integration_id: str, manifest: Manifest, name: str, settings: Mapping[str, Any], now: datetime
) -> None:
    """A new integration; nothing is connected yet."""
    await tx.execute(
        _ADD_INTEGRATION, tenant_id=tx.tenant_id, id=integration_id, provider=manifest.id,
        category=manifest.category, name=name, settings=dict(settings), status=Status.PENDING.value, now=now,
    )  # fmt: skip


async def update_integration(
    tx: Tx,
    integration_id: str,
    status: str,
    now: datetime,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Set what the API shows of an integration, and its name or settings where given."""
    await tx.execute(
        _CHANGE_INTEGRATION, tenant_id=tx.tenant_id, integration_id=integration_id, new_status=status, new_name=name,
        new_settings=dict(settings) if settings is not None else None, now=now,
    )  # fmt: skip


async def update_integration_of(tx: Tx, connection_id: str, status: str, now: datetime) -> None:
    """Let a connection's integration show what has become of it."""
    await tx.execute(_FOLLOW, tenant_id=tx.tenant_id, id=connection_id, new_status=status, now=now)


@dataclass(frozen=True, slots=True)
class Fresh:
    """What is known of a connection before it has credentials."""

    id: str
    integration_id: str
    provider: str
    auth: str
    registration_id: str


async def insert_connection(tx: Tx, fresh: Fresh, owner: Owner | None, now: datetime) -> None:
    """A new connection that waits for its credentials."""
    await tx.execute(
        _ADD, tenant_id=tx.tenant_id, **asdict(fresh), status=Status.PENDING.value, now=now,
        user_id=owner and owner.user_id, owner_id=owner and owner.id,
    )  # fmt: skip


async def update_status(
    tx: Tx, connection_id: str, before: Sequence[Status], after: Status, reason: str | None, now: datetime
) -> bool:
    """Move the status, if it still is one of `before`."""
    touched = await tx.execute(
        _SET_STATUS, tenant_id=tx.tenant_id, id=connection_id, before=[str(status) for status in before],
        status=str(after), reason=reason, now=now,
    )  # fmt: skip
    return bool(touched)


async def update_cleared(tx: Tx, connection_id: str, status: Status, reason: str, now: datetime) -> None:
    """Destroy the credentials and keep the connection."""
    await tx.execute(_CLEAR, tenant_id=tx.tenant_id, id=connection_id, status=str(status), reason=reason, now=now)


async def delete_connection(tx: Tx, connection_id: str) -> str | None:
    """Remove a connection with all its secrets; answers its integration."""
    found: str | None = await tx.fetchval(_DELETE, tenant_id=tx.tenant_id, id=connection_id)
    return found


async def delete_unused_integration(tx: Tx, integration_id: str) -> None:
    """Remove an integration that has no connection any more."""
    await tx.execute(_DELETE_UNUSED, tenant_id=tx.tenant_id, integration_id=integration_id)


async def take_turns(tx: Tx, provider: str) -> None:
    """Let consents of one tenant and provider be stored one after the other: each may touch several connections."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 11))", f"{tx.tenant_id}/{provider}")


async def claim(tx: Tx, provider: str, account_id: str, connection_id: str, now: datetime) -> str | None:
    """Take hold of an account for this tenant; the connection of this tenant that holds it, None when another does."""
    names = {"tenant_id": tx.tenant_id, "provider": provider, "external_account_id": account_id}
    taken: str | None = await tx.fetchval(_CLAIM, connection_id=connection_id, now=now, **names)
    if taken is None:
        taken = await tx.fetchval(_OWN_CLAIM, **names)
    return taken


async def allowed_types(tx: Tx, connection_id: str) -> tuple[str, ...] | None:
    """What may pass a connection's integration, held until the commit; None without such a connection."""
    rows = await tx.fetch_sql(_ALLOWED, tx.tenant_id, connection_id)
    return tuple(rows[0]["allowed_types"]) if rows else None


async def of_owner(tx: Tx, owner: str) -> dict[str, Connection]:
    """One person's own connections, by integration."""
    rows = await tx.fetch(_OF_PERSON, tenant_id=tx.tenant_id, owner=owner)
    return {row["integration_id"]: _connection(row) for row in rows}


async def some(tx: Tx, limit: int) -> list[Connection]:
    """Some of the tenant's connections, whosever they are."""
    return [_connection(row) for row in await tx.fetch(_SOME, tenant_id=tx.tenant_id, limit=limit)]


async def update_departed(tx: Tx, tenant_id: str, owner: str) -> None:
    """Close somebody's connections."""
    await tx.execute(_LEAVE, tenant_id=tenant_id, owner=owner)


async def departed(system_tx: Tx, most: int) -> list[tuple[str, str]]:
    """Tenant and user of connections that were closed so and are not ended yet."""
    return [(row["tenant_id"], row["user_id"]) for row in await system_tx.fetch(_LEFT, most=most)]


async def people(tx: Tx, integration_id: str, most: int) -> list[asyncpg.Record]:
    """Who has a connection of their own of an integration: the person, the provider, its status and since when."""
    return await tx.fetch(_PEOPLE, tenant_id=tx.tenant_id, integration_id=integration_id, most=most)


async def of_one_owner(tx: Tx, one: str, other: str) -> bool:
    """Whether both connections are the tenant's, or both the same person's."""
    if one == other:
        return True
    rows = await tx.fetch(_OWNERS, tenant_id=tx.tenant_id, ids=[one, other])
    return len({row["owner_id"] for row in rows}) == 1


async def abandoned(system_tx: Tx, before: datetime) -> list[tuple[str, str]]:
    """Tenant and id of connections that never got credentials and wait for none."""
    return [(row["tenant_id"], row["id"]) for row in await system_tx.fetch(_ABANDONED, before=before)]


async def holder(system_tx: Tx, provider: str, account_id: str) -> tuple[str, str] | None:
    """The tenant and connection that hold an account, for the notice to its present owner only."""
    found = await system_tx.fetchrow(_HOLDER, provider=provider, external_account_id=account_id)
    return (found["tenant_id"], found["connection_id"]) if found else None
