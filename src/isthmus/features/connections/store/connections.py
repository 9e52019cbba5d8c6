"""Statements over integrations, connections and the accounts they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.elements import BindParameter

from isthmus.connect.manifest import Manifest
from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.connection import Connection, Held, Owner, Status
from isthmus.features.connections.tables import account_claims as claims
from isthmus.features.connections.tables import connections as c
from isthmus.features.connections.tables import integrations as i
from isthmus.features.connections.tables import oauth_flows as f

_TENANT: BindParameter[str] = bindparam("tenant_id")
COLUMNS = (
    c.c.id, c.c.integration_id, i.c.name, c.c.provider, c.c.auth, c.c.registration_id, c.c.status, c.c.status_reason,
    c.c.external_account_id, c.c.account, c.c.hosts_digest, c.c.token_version, c.c.expires_at, c.c.refresh_expires_at,
    c.c.last_tested_at, c.c.created_at, c.c.updated_at, i.c.settings, c.c.scope, c.c.user_id, c.c.owner_id,
    c.c.connected_at, c.c.test_failures, c.c.test_error, i.c.enabled, i.c.user_scoped, i.c.proxy_enabled,
    i.c.allowed_types, i.c.types_changed_at, i.c.allowed_roles, i.c.allowed_users,
)  # fmt: skip
JOINED = c.join(i, and_(i.c.tenant_id == c.c.tenant_id, i.c.id == c.c.integration_id))
_OWN = and_(c.c.tenant_id == _TENANT, c.c.id == bindparam("id"))

#: The tenant's own connections, or those of one person.
_OF_OWNER = c.c.owner_id.is_not_distinct_from(bindparam("owner", type_=Text))

_BY_ID = statement(select(*COLUMNS).select_from(JOINED).where(_OWN))
_BY_ID_LOCKED = statement(select(*COLUMNS).select_from(JOINED).where(_OWN).with_for_update(of=c))
_BY_INTEGRATION = statement(
    select(*COLUMNS)
    .select_from(JOINED)
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
    pg_insert(c)
    .values(
        {name: bindparam(name) for name in ("tenant_id", "id", "integration_id", "provider", "auth", "registration_id")}
    )
    .values(user_id=bindparam("user_id"), owner_id=bindparam("owner_id"))
    .values(status=bindparam("status"), created_at=bindparam("now"), updated_at=bindparam("now"))
    .on_conflict_do_nothing()
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
_SOME = statement(
    select(*COLUMNS).select_from(JOINED).where(c.c.tenant_id == _TENANT).order_by(c.c.id).limit(bindparam("limit"))
)
_HOLDERS = statement(
    select(
        *(claims.c.external_account_id, claims.c.tenant_id, claims.c.connection_id, c.c.registration_id),
        *(c.c.owner_id.is_not(None).label("personal"), i.c.allowed_types),
    )
    .select_from(
        claims.join(c, (c.c.tenant_id == claims.c.tenant_id) & (c.c.id == claims.c.connection_id)).join(
            i, (i.c.tenant_id == c.c.tenant_id) & (i.c.id == c.c.integration_id)
        )
    )
    .where(
        claims.c.provider == bindparam("provider"),
        claims.c.external_account_id == func.any(bindparam("accounts", type_=ARRAY(Text))),
    )
)
_HOLDER = statement(
    select(claims.c.tenant_id, claims.c.connection_id).where(
        claims.c.provider == bindparam("provider"), claims.c.external_account_id == bindparam("external_account_id")
    )
)


def as_connection(row: asyncpg.Record) -> Connection:
    """The connection of a row of `COLUMNS`."""
    values = dict(row)
    values["account_id"] = values.pop("external_account_id")
    values["status"] = Status(values["status"])
    for name in ("allowed_types", "allowed_roles", "allowed_users"):
        values[name] = tuple(values[name])
    return Connection(**values)


async def by_id(tx: Tx, connection_id: str, *, lock: bool = False) -> Connection | None:
    """One connection; `lock` holds its row until the commit."""
    found = await tx.fetchrow(_BY_ID_LOCKED if lock else _BY_ID, tenant_id=tx.tenant_id, id=connection_id)
    return as_connection(found) if found else None


async def by_integration(tx: Tx, integration_id: str, owner: str | None = None) -> Connection | None:
    """The tenant's connection of an integration, or that of one person."""
    found = await tx.fetchrow(_BY_INTEGRATION, tenant_id=tx.tenant_id, integration_id=integration_id, owner=owner)
    return as_connection(found) if found else None


async def by_accounts(tx: Tx, provider: str, accounts: Sequence[str], owner: str | None) -> dict[str, str]:
    """Which of these accounts this tenant, or this person in it, has connected, and by which connection."""
    narrowed = {"provider": provider, "accounts": list(accounts), "owner": owner}
    rows = await tx.fetch(_BY_ACCOUNTS, tenant_id=tx.tenant_id, **narrowed)
    return {row["external_account_id"]: row["id"] for row in rows}


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


async def insert_connection(tx: Tx, fresh: Fresh, owner: Owner | None, now: datetime) -> bool:
    """A new connection that waits for its credentials; False where the person has one there by now."""
    added = await tx.execute(
        _ADD, tenant_id=tx.tenant_id, **asdict(fresh), status=Status.PENDING.value, now=now,
        user_id=owner and owner.user_id, owner_id=owner and owner.id,
    )  # fmt: skip
    return bool(added)


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


async def some(tx: Tx, limit: int) -> list[Connection]:
    """Some of the tenant's connections, whosever they are."""
    return [as_connection(row) for row in await tx.fetch(_SOME, tenant_id=tx.tenant_id, limit=limit)]


async def abandoned(system_tx: Tx, before: datetime) -> list[tuple[str, str]]:
    """Tenant and id of connections that never got credentials and wait for none."""
    return [(row["tenant_id"], row["id"]) for row in await system_tx.fetch(_ABANDONED, before=before)]


async def holders(system_tx: Tx, provider: str, account_ids: Sequence[str]) -> dict[str, Held]:
    """Who holds these accounts, by the account."""
    rows = await system_tx.fetch(_HOLDERS, provider=provider, accounts=list(account_ids))
    return {
        row["external_account_id"]: Held(
            row["tenant_id"], row["connection_id"], row["registration_id"], row["personal"], tuple(row["allowed_types"])
        )
        for row in rows
    }


async def holder(system_tx: Tx, provider: str, account_id: str) -> tuple[str, str] | None:
    """The tenant and connection that hold an account, for the notice to its present owner only."""
    found = await system_tx.fetchrow(_HOLDER, provider=provider, external_account_id=account_id)
    return (found["tenant_id"], found["connection_id"]) if found else None
