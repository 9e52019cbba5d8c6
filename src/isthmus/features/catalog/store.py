"""Every statement of the catalog."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import Text, bindparam, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY, insert

from isthmus.engine.db import Tx, statement
from isthmus.features.catalog.model.apps import StoredApp
from isthmus.features.catalog.model.history import Difference, Version
from isthmus.features.catalog.model.proposals import Proposal, ProposalState
from isthmus.features.catalog.model.providers import Override
from isthmus.features.catalog.tables import PROVIDER_OVERRIDES as O
from isthmus.features.catalog.tables import PROVIDER_PROPOSALS as P
from isthmus.features.catalog.tables import PROVIDER_VERSIONS as V
from isthmus.features.catalog.tables import REGISTRATIONS as R

_OVERRIDE = (O.c.id, O.c.status, O.c.audience, O.c.fields, O.c.version, O.c.updated_at, O.c.removed, O.c.created_at)
_DECLARED = O.c.definition.is_not(None).label("declared")
_OVERRIDES = statement(select(*_OVERRIDE, _DECLARED))
_OVERRIDE_BY_ID = statement(select(*_OVERRIDE, _DECLARED).where(O.c.id == bindparam("id")))
_WRITTEN = ("status", "audience", "fields", "version", "updated_at", "removed", "definition")
_PUT_OVERRIDE = insert(O).values({name: bindparam(name) for name in ("id", "created_at", *_WRITTEN)})
_PUT_OVERRIDE_IF = statement(
    _PUT_OVERRIDE.on_conflict_do_update(
        index_elements=[O.c.id],
        set_={name: _PUT_OVERRIDE.excluded[name] for name in _WRITTEN},
        where=O.c.version == _PUT_OVERRIDE.excluded.version - 1,
    )
)

_DEFINITIONS = statement(
    select(O.c.id, O.c.version, O.c.definition).where(
        O.c.definition.is_not(None), O.c.id == func.any(cast(bindparam("ids"), ARRAY(Text)))
    )
)
_STEP = (V.c.version, V.c.action, V.c.actor, V.c.at)
_PUT_VERSION = statement(
    V.insert().values({column: bindparam(column) for column in ("id", "version", "action", "state", "actor", "at")})
)
_VERSIONS = statement(
    select(*_STEP)
    .where(V.c.id == bindparam("id"), V.c.version < bindparam("before"))
    .order_by(V.c.version.desc())
    .limit(bindparam("limit"))
)
_VERSION = statement(select(*_STEP, V.c.state).where(V.c.id == bindparam("id"), V.c.version == bindparam("version")))
_NEWEST = statement(select(func.max(V.c.version)).where(V.c.id == bindparam("id")))

_APP = (
    R.c.id, R.c.tenant_id, R.c.provider, R.c.kind, R.c.credentials_sealed, R.c.hosts,
    R.c.bound_to, R.c.redirect_path, R.c.version, R.c.updated_at,
)  # fmt: skip
_MINE = R.c.tenant_id == bindparam("tenant_id")
_APP_BY_PROVIDER = statement(select(*_APP).where(_MINE, R.c.provider == bindparam("provider")))
_APP_BY_ID = statement(select(*_APP).where(_MINE, R.c.id == bindparam("id")))
_APPS = statement(select(*_APP).where(_MINE).order_by(R.c.provider))
_APPS_AFTER = statement(
    select(*_APP).where(_MINE, R.c.id > bindparam("after")).order_by(R.c.id).limit(bindparam("limit"))
)
_PUT_APP = insert(R).values(
    {column.name: bindparam(column.name) for column in _APP} | {"created_at": bindparam("created_at")}
)
_PUT_APP_IF = statement(
    _PUT_APP.on_conflict_do_update(
        index_elements=[R.c.tenant_id, R.c.provider],
        set_={
            name: _PUT_APP.excluded[name]
            for name in ("kind", "credentials_sealed", "hosts", "bound_to", "redirect_path", "version", "updated_at")
        },
        where=R.c.version == _PUT_APP.excluded.version - 1,
    )
)
_RESEAL = statement(
    R.update()
    .values(credentials_sealed=bindparam("sealed"))
    .where(_MINE, R.c.id == bindparam("id"), R.c.version == bindparam("seen"))
)

_OUR_PROPOSAL = P.c.tenant_id == bindparam("tenant_id")
_PROPOSAL = tuple(column for column in P.c if column.name != "tenant_id")
_PUT_PROPOSAL = statement(insert(P).values({column.name: bindparam(column.name) for column in P.c}))
_PROPOSAL_BY_ID = statement(select(*_PROPOSAL).where(_OUR_PROPOSAL, P.c.id == bindparam("id")))
_PROPOSALS = statement(
    select(*_PROPOSAL)
    .where(_OUR_PROPOSAL, func.coalesce(P.c.id < bindparam("before"), true()))
    .order_by(P.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_DECIDE = statement(
    P.update()
    .values(state=bindparam("wanted"), decided_by=bindparam("by"), decided_at=bindparam("now"), credentials_sealed=None)
    .where(_OUR_PROPOSAL, P.c.id == bindparam("id"), P.c.state == ProposalState.OPEN, P.c.until > bindparam("now"))
)
_EXPIRE = statement(
    P.update()
    .values(state=ProposalState.EXPIRED, credentials_sealed=None)
    .where(P.c.state == ProposalState.OPEN, P.c.until <= bindparam("now"))
)
_SEALED_PROPOSALS = statement(
    select(P.c.id, P.c.credentials_sealed)
    .where(_OUR_PROPOSAL, P.c.id > bindparam("after"), P.c.credentials_sealed.is_not(None))
    .order_by(P.c.id)
    .limit(bindparam("limit"))
)
_RESEAL_PROPOSAL = statement(
    P.update()
    .values(credentials_sealed=bindparam("sealed"))
    .where(_OUR_PROPOSAL, P.c.id == bindparam("id"), P.c.credentials_sealed == bindparam("seen"))
)


async def overrides(tx: Tx) -> dict[str, Override]:
    """Every override row by provider."""
    return {row["id"]: _override(row) for row in await tx.fetch(_OVERRIDES)}


async def override(tx: Tx, provider: str) -> Override | None:
    """One provider's override row."""
    row = await tx.fetchrow(_OVERRIDE_BY_ID, id=provider)
    return _override(row) if row else None


async def put_override(tx: Tx, row: Override, definition: Mapping[str, Any] | None = None) -> bool:
    """Write an override row whose version follows the stored one; False when somebody else was first."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _WRITTEN if name != "definition"}
    values |= {"id": row.id, "created_at": row.created_at, "fields": dict(row.fields), "definition": definition}
    return bool(await tx.execute(_PUT_OVERRIDE_IF, **values))


async def definitions(tx: Tx, providers: Sequence[str]) -> dict[str, tuple[int, Mapping[str, Any]]]:
    """The manifests of providers that were made at run time, each with its version."""
    rows = await tx.fetch(_DEFINITIONS, ids=providers)
    return {row["id"]: (row["version"], row["definition"]) for row in rows}


async def put_version(tx: Tx, provider: str, step: Version) -> None:
    """Add a step to a provider's history."""
    told = {"version": step.version, "action": step.action, "actor": step.actor, "at": step.at}
    await tx.execute(_PUT_VERSION, id=provider, state=dict(step.state), **told)


async def versions(tx: Tx, provider: str, before: int, limit: int) -> list[Version]:
    """Steps of a provider's history before a version, the newest first, without their states."""
    rows = await tx.fetch(_VERSIONS, id=provider, before=before, limit=limit)
    return [Version(row["version"], row["action"], row["actor"], row["at"], {}) for row in rows]


async def version(tx: Tx, provider: str, number: int) -> Version | None:
    """One step with its state."""
    row = await tx.fetchrow(_VERSION, id=provider, version=number)
    return Version(row["version"], row["action"], row["actor"], row["at"], row["state"]) if row else None


async def newest_version(tx: Tx, provider: str) -> int:
    """The number of the last step that was ever made of this id; 0 for none."""
    return await tx.fetchval(_NEWEST, id=provider) or 0


async def app_of(tx: Tx, tenant_id: str, provider: str) -> StoredApp | None:
    """The tenant's own registration at a provider."""
    row = await tx.fetchrow(_APP_BY_PROVIDER, tenant_id=tenant_id, provider=provider)
    return _app(row) if row else None


async def app_by_id(tx: Tx, tenant_id: str, registration_id: str) -> StoredApp | None:
    """One of the tenant's registrations."""
    row = await tx.fetchrow(_APP_BY_ID, tenant_id=tenant_id, id=registration_id)
    return _app(row) if row else None


async def apps(tx: Tx, tenant_id: str) -> list[StoredApp]:
    """All of the tenant's registrations."""
    return [_app(row) for row in await tx.fetch(_APPS, tenant_id=tenant_id)]


async def apps_after(tx: Tx, tenant_id: str, after: str, limit: int) -> list[StoredApp]:
    """Registrations behind an id."""
    return [_app(row) for row in await tx.fetch(_APPS_AFTER, tenant_id=tenant_id, after=after, limit=limit)]


async def put_app(tx: Tx, app: StoredApp) -> bool:
    """Write a registration whose version follows the stored one; False when somebody else was first."""
    return bool(
        await tx.execute(
            _PUT_APP_IF,
            tenant_id=app.tenant_id,
            id=app.id,
            provider=app.provider,
            kind=app.kind,
            credentials_sealed=app.credentials,
            hosts=dict(app.hosts),
            bound_to=app.bound_to,
            redirect_path=app.redirect_path,
            version=app.version,
            created_at=app.updated_at,
            updated_at=app.updated_at,
        )
    )


async def reseal(tx: Tx, app: StoredApp, sealed: bytes) -> bool:
    """The same credentials under another key; False when they were changed meanwhile."""
    return bool(await tx.execute(_RESEAL, tenant_id=app.tenant_id, id=app.id, seen=app.version, sealed=sealed))


async def put_proposal(tx: Tx, made: Proposal) -> None:
    """Keep a change that waits for a second person."""
    await tx.execute(
        _PUT_PROPOSAL,
        tenant_id=tx.tenant_id,
        id=made.id,
        provider=made.provider,
        action=made.action,
        wish=dict(made.wish),
        credentials_sealed=made.sealed,
        differences=[{"path": one.path, "before": one.before, "after": one.after} for one in made.differences],
        reasons=list(made.reasons),
        state=made.state,
        proposed_by=made.proposed_by,
        proposed_at=made.proposed_at,
        until=made.until,
        decided_by=None,
        decided_at=None,
    )


async def proposal(tx: Tx, proposal_id: str) -> Proposal | None:
    """One proposal."""
    row = await tx.fetchrow(_PROPOSAL_BY_ID, tenant_id=tx.tenant_id, id=proposal_id)
    return _proposal(row) if row else None


async def proposals(tx: Tx, *, before: str | None, offset: int, limit: int) -> list[Proposal]:
    """Those before an id, the newest first."""
    rows = await tx.fetch(_PROPOSALS, tenant_id=tx.tenant_id, before=before, offset=offset, limit=limit)
    return [_proposal(row) for row in rows]


async def update_decided(tx: Tx, proposal_id: str, state: ProposalState, by: str, now: datetime) -> bool:
    """Decide an open proposal; False when it is open no more. Its credentials go."""
    return bool(await tx.execute(_DECIDE, tenant_id=tx.tenant_id, id=proposal_id, wanted=state, by=by, now=now))


async def update_expired(tx: Tx, now: datetime) -> int:
    """Close what nobody decided in time; its credentials go."""
    return await tx.execute(_EXPIRE, now=now)


async def sealed_proposals(tx: Tx, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Proposals behind an id that hold credentials."""
    rows = await tx.fetch(_SEALED_PROPOSALS, tenant_id=tx.tenant_id, after=after, limit=limit)
    return [(row["id"], row["credentials_sealed"]) for row in rows]


async def reseal_proposal(tx: Tx, proposal_id: str, seen: bytes, sealed: bytes) -> bool:
    """The same credentials under another key; False when they have gone meanwhile."""
    return bool(await tx.execute(_RESEAL_PROPOSAL, tenant_id=tx.tenant_id, id=proposal_id, seen=seen, sealed=sealed))


def _proposal(row: asyncpg.Record) -> Proposal:
    return Proposal(
        id=row["id"],
        provider=row["provider"],
        action=row["action"],
        wish=row["wish"],
        differences=tuple(Difference(one["path"], one["before"], one["after"]) for one in row["differences"]),
        reasons=tuple(row["reasons"]),
        state=ProposalState(row["state"]),
        proposed_by=row["proposed_by"],
        proposed_at=row["proposed_at"],
        until=row["until"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        sealed=row["credentials_sealed"],
    )


def _override(row: asyncpg.Record) -> Override:
    fields: Mapping[str, object] = row["fields"]
    return Override(
        row["id"],
        row["status"],
        row["audience"],
        fields,
        row["version"],
        row["updated_at"],
        declared=row["declared"],
        removed=row["removed"],
        created_at=row["created_at"],
    )


def _app(row: asyncpg.Record) -> StoredApp:
    hosts: Mapping[str, str] = row["hosts"]
    return StoredApp(
        id=row["id"],
        tenant_id=row["tenant_id"],
        provider=row["provider"],
        kind=row["kind"],
        credentials=row["credentials_sealed"],
        hosts=hosts,
        bound_to=row["bound_to"],
        redirect_path=row["redirect_path"],
        version=row["version"],
        updated_at=row["updated_at"],
    )
