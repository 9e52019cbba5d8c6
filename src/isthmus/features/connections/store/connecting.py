"""Statements over connect sessions. Those that begin with a token run as the system: nobody is signed in there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import ARRAY, Text, and_, bindparam, delete, func, insert, or_, select, update

from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.connecting import LIVE, ConnectSession, Stage
from isthmus.features.connections.tables import connect_sessions as s
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import Principal

_NAMES = (
    "id", "tenant_id", "integration_id", "origin", "return_url", "principal", "created_by", "state", "tries",
    "connection_id", "created_at", "expires_at",
)  # fmt: skip
_SHOWN = [s.c[name] for name in _NAMES]
_OWN = and_(s.c.tenant_id == bindparam("tenant_id"), s.c.id == bindparam("id"))
_ADD = statement(insert(s).values({name: bindparam(name) for name in (*_NAMES, "token_hash")}))
_ONE = statement(select(*_SHOWN).where(_OWN))
_BY_PAGE = statement(select(*_SHOWN).where(s.c.page_hash == bindparam("page_hash")))
_OPEN_PAGE = statement(update(s).where(_OWN).values(page_hash=bindparam("page_hash")))
_BY_TOKEN = statement(select(*_SHOWN).where(s.c.token_hash == bindparam("token_hash")))
_PAGE = statement(
    select(*_SHOWN)
    .where(
        s.c.tenant_id == bindparam("tenant_id"),
        or_(bindparam("after", type_=Text).is_(None), s.c.id < bindparam("after")),
    )
    .order_by(s.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_MOVE = statement(
    update(s)
    .where(_OWN, s.c.state == func.any(bindparam("before", type_=ARRAY(Text))))
    .values(
        state=bindparam("after"),
        tries=s.c.tries + bindparam("tries"),
        connection_id=func.coalesce(bindparam("connection_id", type_=Text), s.c.connection_id),
    )
    .returning(s.c.id)
)
_CONNECTED = statement(
    update(s)
    .where(
        s.c.tenant_id == bindparam("tenant_id"),
        s.c.connection_id == bindparam("connection_id"),
        s.c.state == Stage.STARTED.value,
    )
    .values(state=Stage.USED.value)
)
#: Who connects in a session, as principals are named.
_NAMED = func.concat_ws(":", *(s.c.principal[name].astext for name in ("kind", "issuer", "subject")))
_WITHDRAW = statement(
    update(s)
    .where(
        s.c.tenant_id == bindparam("tenant_id"),
        or_(s.c.created_by == bindparam("maker"), bindparam("maker") == _NAMED),
        s.c.state == func.any(bindparam("before", type_=ARRAY(Text))),
    )
    .values(state=Stage.REVOKED.value)
)
_SWEEP = statement(delete(s).where(s.c.expires_at < bindparam("before")))


def _session(row: asyncpg.Record) -> ConnectSession:
    values: dict[str, Any] = dict(row)
    who: Mapping[str, Any] = values.pop("principal")
    roles = frozenset(who["roles"])
    principal = Principal(who["kind"], who["subject"], who["issuer"], values["tenant_id"], roles)
    known = {"principal": principal, "state": Stage(values["state"]), "language": who.get("language")}
    return ConnectSession(**{**values, **known})


async def insert_session(tx: Tx, made: ConnectSession, token_hash: bytes) -> None:
    """A new session."""
    values: dict[str, Any] = {name: getattr(made, name) for name in _NAMES}
    who = made.principal
    told = {"kind": who.kind, "subject": who.subject, "issuer": who.issuer, "roles": sorted(who.roles)}
    # what this person reads stands with who they are
    told |= {"language": made.language} if made.language else {}
    await tx.execute(_ADD, **{**values, "principal": told, "state": made.state.value}, token_hash=token_hash)


async def session(tx: Tx, session_id: str) -> ConnectSession | None:
    """One session."""
    found = await tx.fetchrow(_ONE, tenant_id=tx.tenant_id, id=session_id)
    return _session(found) if found else None


async def by_token(system_tx: Tx, token_hash: bytes) -> ConnectSession | None:
    """The session of a token."""
    found = await system_tx.fetchrow(_BY_TOKEN, token_hash=token_hash)
    return _session(found) if found else None


async def by_page(system_tx: Tx, page_hash: bytes) -> ConnectSession | None:
    """The session of a page's proof."""
    found = await system_tx.fetchrow(_BY_PAGE, page_hash=page_hash)
    return _session(found) if found else None


async def update_page(tx: Tx, session_id: str, page_hash: bytes) -> None:
    """From now on this page, and no other, is the session's."""
    await tx.execute(_OPEN_PAGE, tenant_id=tx.tenant_id, id=session_id, page_hash=page_hash)


async def sessions(tx: Tx, ask: Ask) -> list[ConnectSession]:
    """The newest sessions first, one more than was asked for."""
    place = {"after": ask.after, "limit": ask.limit + 1, "offset": ask.offset}
    return [_session(row) for row in await tx.fetch(_PAGE, tenant_id=tx.tenant_id, **place)]


async def update_stage(
    tx: Tx, session_id: str, before: Sequence[Stage], after: Stage, *, tries: int = 0, connection: str | None = None
) -> bool:
    """Move a session on, if it still is at one of `before`."""
    found = await tx.fetchval(
        _MOVE, tenant_id=tx.tenant_id, id=session_id, before=[one.value for one in before], after=after.value,
        tries=tries, connection_id=connection,
    )  # fmt: skip
    return found is not None


async def update_connected(tx: Tx, tenant_id: str, connection_id: str) -> None:
    """What was begun for a connection has been finished."""
    await tx.execute(_CONNECTED, tenant_id=tenant_id, connection_id=connection_id)


async def sweep(system_tx: Tx, before: datetime) -> int:
    """Forget sessions that ended long ago."""
    return await system_tx.execute(_SWEEP, before=before)


async def withdraw(system_tx: Tx, tenant_id: str, maker: str) -> None:
    """Revoke the sessions that somebody made, or that connect in their name, and that nobody has used up."""
    await system_tx.execute(_WITHDRAW, tenant_id=tenant_id, maker=maker, before=[one.value for one in LIVE])
