"""Statements over sources, their secrets and their tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import ARRAY, LargeBinary, Text, bindparam, delete, func, insert, or_, select, update

from isthmus.engine.db import Tx, statement
from isthmus.features.webhooks_in.model.deliveries import Purpose, Source
from isthmus.features.webhooks_in.tables import MAIL, SECRETS, SOURCES, TOKENS
from isthmus.kit.paging import Ask, Page

_s, _k, _t, _m = SOURCES.c, SECRETS.c, TOKENS.c, MAIL.c
_TENANT = _s.tenant_id == bindparam("tenant_id")
_NAMES = (
    "id", "provider", "name", "connection_id", "uses_app", "app", "paused", "filter", "transform",
    "first_verified_at", "version", "created_at", "updated_at",
)  # fmt: skip
_COLUMNS = tuple(_s[name] for name in _NAMES)
_FOUND = select(*_COLUMNS).where(_TENANT, _s.id == bindparam("id"))
_ONE, _LOCKED = statement(_FOUND), statement(_FOUND.with_for_update())
_MANY = statement(
    select(*_COLUMNS)
    .where(_TENANT, _s.id > func.coalesce(bindparam("after", type_=Text), ""))
    .order_by(_s.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_COUNT = statement(select(func.count(_s.id)).where(_TENANT))
_OF = statement(select(*_COLUMNS).where(_TENANT, _s.connection_id == bindparam("connection_id")).order_by(_s.id))
_ADD = statement(insert(SOURCES).values({name: bindparam(name) for name in ("tenant_id", *_NAMES)}))
_CHANGE = statement(
    update(SOURCES)
    .where(_TENANT, _s.id == bindparam("id"))
    .values(
        {name: bindparam(f"new_{name}") for name in ("name", "paused", "filter", "transform")},
    )
    .values(
        version=_s.version + 1,
        updated_at=bindparam("now"),
    )
    .returning(*_COLUMNS)
)
_REMOVE = statement(delete(SOURCES).where(_TENANT, _s.id == bindparam("id")))
_SECRETS = statement(
    select(_k.id, _k.sealed, _k.expires_at, _k.created_at, _k.purpose)
    .where(_k.tenant_id == bindparam("tenant_id"), _k.source_id == bindparam("source_id"))
    .order_by(_k.created_at.desc(), _k.id.desc())
)
_ADD_SECRET = statement(
    insert(SECRETS).values(
        {name: bindparam(name) for name in ("tenant_id", "id", "source_id", "sealed", "created_at", "purpose")}
    )
)
_EXPIRE_SECRETS = statement(
    update(SECRETS)
    .where(
        _k.tenant_id == bindparam("tenant_id"),
        _k.source_id == bindparam("source_id"),
        _k.purpose == bindparam("purpose"),
        or_(_k.expires_at.is_(None), _k.expires_at > bindparam("until")),
    )
    .values(expires_at=bindparam("until"))
)
_RESEAL = statement(
    update(SECRETS)
    .where(_k.tenant_id == bindparam("tenant_id"), _k.id == bindparam("id"), _k.sealed == bindparam("old"))
    .values(sealed=bindparam("new"))
)
_TO_RESEAL = statement(
    select(_k.id, _k.source_id, _k.sealed)
    .where(_k.tenant_id == bindparam("tenant_id"), _k.id > func.coalesce(bindparam("after", type_=Text), ""))
    .order_by(_k.id)
    .limit(bindparam("limit"))
)
_ADD_TOKEN = statement(
    insert(TOKENS).values(
        {name: bindparam(name) for name in ("token_hash", "tenant_id", "source_id", "hint", "created_at")}
    )
)
_EXPIRE_TOKENS = statement(
    update(TOKENS)
    .where(
        _t.tenant_id == bindparam("tenant_id"),
        _t.source_id == bindparam("source_id"),
        or_(_t.expires_at.is_(None), _t.expires_at > bindparam("until")),
    )
    .values(expires_at=bindparam("until"))
)
_TOKEN = statement(
    select(_t.tenant_id, _t.source_id, _t.expires_at).where(_t.token_hash == bindparam("token_hash", type_=LargeBinary))
)
_EXPECTED = statement(
    select(_t.token_hash, _t.created_at, _s.provider)
    .join(SOURCES, (_s.tenant_id == _t.tenant_id) & (_s.id == _t.source_id))
    .where(_t.created_at >= bindparam("since"), or_(_t.expires_at.is_(None), _t.expires_at > bindparam("now")))
    .order_by(_t.created_at.desc())
    .limit(bindparam("limit"))
)
_HINTS = statement(
    select(_t.source_id, _t.hint, _t.expires_at, _t.created_at)
    .where(
        _t.tenant_id == bindparam("tenant_id"),
        _t.source_id == func.any(bindparam("source_ids", type_=ARRAY(Text))),
    )
    .order_by(_t.created_at.desc())
)
_COUNTS = statement(
    select(_m.source_id, _m.wanted, _m.repeats, _m.last_at).where(
        _m.tenant_id == bindparam("tenant_id"),
        _m.source_id == func.any(bindparam("source_ids", type_=ARRAY(Text))),
    )
)


def _source(row: asyncpg.Record | None) -> Source | None:
    return None if row is None else Source(*row)


async def source(tx: Tx, tenant_id: str, id_: str, *, locked: bool = False) -> Source | None:
    """One source; locked, so that nobody else changes it before the commit."""
    return _source(await tx.fetchrow(_LOCKED if locked else _ONE, tenant_id=tenant_id, id=id_))


async def sources(tx: Tx, tenant_id: str, ask: Ask) -> Page[Source]:
    """Oldest first."""
    rows = await tx.fetch(_MANY, tenant_id=tenant_id, after=ask.after, limit=ask.limit + 1, offset=ask.offset)
    items = [Source(*row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items, items[-1].id if more else None, has_more=more)


async def sources_of(tx: Tx, tenant_id: str, connection_id: str) -> list[Source]:
    """The sources of one connection, oldest first."""
    return [Source(*row) for row in await tx.fetch(_OF, tenant_id=tenant_id, connection_id=connection_id)]


async def insert_source(tx: Tx, tenant_id: str, made: Source) -> None:
    """Write a new source."""
    await tx.execute(_ADD, tenant_id=tenant_id, **{name: getattr(made, name) for name in _NAMES})


async def update_source(tx: Tx, tenant_id: str, id_: str, now: datetime, changes: Mapping[str, Any]) -> Source | None:
    """Give one this name, filter, transformation and pause; None without such a source."""
    values = {**{f"new_{name}": value for name, value in changes.items()}, "now": now}
    return _source(await tx.fetchrow(_CHANGE, tenant_id=tenant_id, id=id_, **values))


async def count(tx: Tx, tenant_id: str, *, held: bool = True) -> int:
    """How many a tenant has; `held` by a lock, that stays true until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 73))", tenant_id)
    return int(await tx.fetchval(_COUNT, tenant_id=tenant_id))


async def delete_source(tx: Tx, tenant_id: str, id_: str) -> bool:
    """Remove a source with its secrets and tokens."""
    return await tx.execute(_REMOVE, tenant_id=tenant_id, id=id_) > 0


async def secrets(tx: Tx, tenant_id: str, source_id: str) -> list[asyncpg.Record]:
    """The sealed secrets, newest first."""
    return await tx.fetch(_SECRETS, tenant_id=tenant_id, source_id=source_id)


async def insert_secret(
    tx: Tx, place: tuple[str, str], id_: str, sealed: bytes, purpose: Purpose, now: datetime
) -> None:
    """Add a secret to a (tenant, source)."""
    values = {"tenant_id": place[0], "source_id": place[1], "id": id_, "sealed": sealed, "purpose": purpose}
    await tx.execute(_ADD_SECRET, **values, created_at=now)


async def expire_secrets(tx: Tx, tenant_id: str, source_id: str, purpose: Purpose, until: datetime) -> None:
    """Let the secrets that are there for this count until then at most."""
    await tx.execute(_EXPIRE_SECRETS, tenant_id=tenant_id, source_id=source_id, purpose=purpose, until=until)


async def to_reseal(tx: Tx, tenant_id: str, after: str | None, limit: int) -> list[asyncpg.Record]:
    """Sealed secrets behind this id."""
    return await tx.fetch(_TO_RESEAL, tenant_id=tenant_id, after=after, limit=limit)


async def update_sealed(tx: Tx, tenant_id: str, id_: str, old: bytes, new: bytes) -> None:
    """Put another seal over the same secret."""
    await tx.execute(_RESEAL, tenant_id=tenant_id, id=id_, old=old, new=new)


async def insert_token(tx: Tx, tenant_id: str, source_id: str, token_hash: bytes, hint: str, now: datetime) -> None:
    """Add an address; as the system."""
    values = {"tenant_id": tenant_id, "source_id": source_id, "token_hash": token_hash, "hint": hint}
    await tx.execute(_ADD_TOKEN, **values, created_at=now)


async def expire_tokens(tx: Tx, tenant_id: str, source_id: str, until: datetime) -> None:
    """Let the addresses that are there answer until then at most; as the system."""
    await tx.execute(_EXPIRE_TOKENS, tenant_id=tenant_id, source_id=source_id, until=until)


async def token(tx: Tx, token_hash: bytes) -> asyncpg.Record | None:
    """Whose token this is; as the system."""
    return await tx.fetchrow(_TOKEN, token_hash=token_hash)


async def expected(tx: Tx, since: datetime, now: datetime, limit: int) -> list[asyncpg.Record]:
    """The addresses made since then that still answer, with whose they are, youngest first; as the system."""
    return await tx.fetch(_EXPECTED, since=since, now=now, limit=limit)


async def hints(tx: Tx, tenant_id: str, source_ids: Sequence[str]) -> list[asyncpg.Record]:
    """What may be shown of the addresses; as the system."""
    return await tx.fetch(_HINTS, tenant_id=tenant_id, source_ids=list(source_ids))


async def counts(tx: Tx, tenant_id: str, source_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """How much came in at each source."""
    rows = await tx.fetch(_COUNTS, tenant_id=tenant_id, source_ids=list(source_ids))
    return {row["source_id"]: dict(row) for row in rows}
