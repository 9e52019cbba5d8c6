"""Statements over consents under way. Those that begin with a state run as the system: nobody is signed in there."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import ARRAY, Text, and_, bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.flow import Flow
from isthmus.features.connections.tables import oauth_flows as f
from isthmus.features.connections.tables import return_origins as origins
from isthmus.kit.permissions import Principal

_OPEN, _PARKED = "open", "parked"
_NAMES = (
    "tenant_id", "key_hash", "stage", "connection_id", "provider", "registration_id", "registration_version",
    "hosts_digest", "redirect_uri", "return_url", "account", "principal_id", "principal", "verifier", "answer",
    "starter_hash", "cookie_hash", "starter_bound", "created_at", "expires_at",
)  # fmt: skip
_SHOWN = [f.c[name] for name in _NAMES if name not in {"stage", "created_at"}]

_ADD = statement(insert(f).values({name: bindparam(name) for name in _NAMES}))
_COUNT = statement(
    select(func.count()).where(
        f.c.tenant_id == bindparam("tenant_id"),
        f.c.principal_id == bindparam("principal_id"),
        f.c.expires_at > bindparam("now"),
    )
)
_LIVE = and_(f.c.key_hash == bindparam("key"), f.c.stage == _OPEN, f.c.expires_at > bindparam("now"))
_OPEN_LINK = statement(
    update(f)
    .where(_LIVE, f.c.cookie_hash.is_(None))
    .values(
        cookie_hash=case((f.c.starter_hash == bindparam("shown"), bindparam("shown")), else_=bindparam("cookie")),
        starter_bound=f.c.starter_hash == bindparam("shown"),
    )
    .returning(*_SHOWN)
)
_PEEK = statement(select(*_SHOWN).where(_LIVE))
_TAKE = statement(delete(f).where(_LIVE, f.c.cookie_hash == bindparam("cookie")).returning(*_SHOWN))
_REDEEM = statement(
    delete(f)
    .where(
        f.c.tenant_id == bindparam("tenant_id"),
        f.c.key_hash == bindparam("key"),
        f.c.stage == _PARKED,
        f.c.principal_id == bindparam("principal_id"),
        f.c.expires_at > bindparam("now"),
    )
    .returning(*_SHOWN)
)
_WITHDRAW = statement(delete(f).where(f.c.tenant_id == bindparam("tenant_id"), f.c.principal_id == bindparam("maker")))
_SWEEP = statement(delete(f).where(f.c.expires_at <= bindparam("now")))
_ORIGINS = statement(select(origins.c.origin).where(origins.c.tenant_id == bindparam("tenant_id")))
_ALLOW = statement(
    pg_insert(origins)
    .values({name: bindparam(name) for name in ("tenant_id", "origin", "created_at")})
    .on_conflict_do_nothing()
)
_FORGET_OTHERS = statement(
    delete(origins).where(
        origins.c.tenant_id == bindparam("tenant_id"),
        origins.c.origin != func.all(bindparam("kept", type_=ARRAY(Text))),
    )
)


@dataclass(frozen=True, slots=True)
class Row:
    """A flow with its sealed parts and the hashes of what its browser and its starter hold."""

    flow: Flow
    key: bytes
    verifier: bytes | None
    answer: bytes | None
    starter_hash: bytes
    cookie_hash: bytes | None


def _row(record: asyncpg.Record) -> Row:
    values: dict[str, Any] = dict(record)
    who = values.pop("principal")
    values.pop("principal_id")
    principal = Principal(who["kind"], who["subject"], who["issuer"], values["tenant_id"])
    sealed = {name: values.pop(name) for name in ("verifier", "answer", "starter_hash", "cookie_hash")}
    return Row(key=values.pop("key_hash"), flow=Flow(principal=principal, **values), **sealed)


async def insert_flow(tx: Tx, row: Row, now: datetime, *, parked: bool = False) -> None:
    """Write down a consent that begins, or one that came back and waits for its starter."""
    flow = row.flow
    who = flow.principal
    await tx.execute(
        _ADD, tenant_id=tx.tenant_id, key_hash=row.key, stage=_PARKED if parked else _OPEN,
        connection_id=flow.connection_id, provider=flow.provider, registration_id=flow.registration_id,
        registration_version=flow.registration_version, hosts_digest=flow.hosts_digest,
        redirect_uri=flow.redirect_uri, return_url=flow.return_url, account=dict(flow.account), principal_id=who.id,
        principal={"kind": who.kind, "subject": who.subject, "issuer": who.issuer},
        verifier=row.verifier, answer=row.answer, starter_hash=row.starter_hash, cookie_hash=row.cookie_hash,
        starter_bound=flow.starter_bound, created_at=now, expires_at=flow.expires_at,
    )  # fmt: skip


async def count_open(tx: Tx, principal_id: str, now: datetime) -> int:
    """How many consents of this principal are under way; the lock makes the count exact until the commit."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 7))", f"{tx.tenant_id}/{principal_id}")
    found: int = await tx.fetchval(_COUNT, tenant_id=tx.tenant_id, principal_id=principal_id, now=now)
    return found


async def update_opened(system_tx: Tx, key: bytes, shown: bytes, cookie: bytes, now: datetime) -> Row | None:
    """Open a link, once: tie it to the starter's browser if it showed the starter's proof, else to a new cookie."""
    found = await system_tx.fetchrow(_OPEN_LINK, key=key, shown=shown, cookie=cookie, now=now)
    return _row(found) if found else None


async def peek(system_tx: Tx, key: bytes, now: datetime) -> Row | None:
    """A live flow, left as it is."""
    found = await system_tx.fetchrow(_PEEK, key=key, now=now)
    return _row(found) if found else None


async def take(system_tx: Tx, key: bytes, cookie: bytes, now: datetime) -> Row | None:
    """Consume a live flow whose browser shows its cookie; one statement, so that one callback of many gets it."""
    found = await system_tx.fetchrow(_TAKE, key=key, cookie=cookie, now=now)
    return _row(found) if found else None


async def redeem(tx: Tx, key: bytes, principal_id: str, now: datetime) -> Row | None:
    """Consume a parked answer; only its starter can."""
    found = await tx.fetchrow(_REDEEM, tenant_id=tx.tenant_id, key=key, principal_id=principal_id, now=now)
    return _row(found) if found else None


async def sweep(system_tx: Tx, now: datetime) -> int:
    """Remove what ran out."""
    return await system_tx.execute(_SWEEP, now=now)


async def return_origins(tx: Tx) -> frozenset[str]:
    """The origins this tenant's consents may return to."""
    return frozenset(row["origin"] for row in await tx.fetch(_ORIGINS, tenant_id=tx.tenant_id))


async def hold_origins(tx: Tx) -> None:
    """Nobody else changes the tenant's list before the commit."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 89))", tx.tenant_id)


async def update_origins(tx: Tx, wanted: Collection[str], now: datetime) -> None:
    """Make the list exactly this one."""
    await tx.execute(_FORGET_OTHERS, tenant_id=tx.tenant_id, kept=sorted(wanted))
    rows = [{"tenant_id": tx.tenant_id, "origin": origin, "created_at": now} for origin in sorted(wanted)]
    if rows:
        await tx.execute_many(_ALLOW, rows)


async def withdraw(system_tx: Tx, tenant_id: str, maker: str) -> None:
    """Forget the consents that somebody began."""
    await system_tx.execute(_WITHDRAW, tenant_id=tenant_id, maker=maker)
