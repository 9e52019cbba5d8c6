"""Every statement about people and their wrong tries, and the sweep of what is over."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import Text, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.accounts import User, UserStatus
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.tables import SIGN_IN_FAILURES as F
from isthmus.features.access.tables import TENANTS as T
from isthmus.features.access.tables import USERS as U
from isthmus.kit.permissions import SUPER_ADMIN

_COLUMNS = (U.c.id, U.c.email, U.c.roles, U.c.status, U.c.created_at)
_MINE = U.c.tenant_id == bindparam("tenant_id")
_ADD = statement(
    insert(U)
    .values({column.name: bindparam(column.name) for column in U.c if column.name != "password_hash"})
    .on_conflict_do_nothing(index_elements=[U.c.tenant_id, U.c.email], index_where=text("status <> 'removed'"))
)
_ONE = statement(select(*_COLUMNS).where(_MINE, U.c.id == bindparam("id")))
_STILL = statement(select(*_COLUMNS).where(_MINE, U.c.id == bindparam("id")).with_for_update(read=True))
_BOTH = statement(
    select(*_COLUMNS)
    .where(_MINE, U.c.id == func.any(bindparam("ids", type_=ARRAY(Text))))
    .order_by(U.c.id)
    .with_for_update(key_share=True)
)
_SOME = statement(
    select(*_COLUMNS)
    .where(_MINE, U.c.status != bindparam("removed"), U.c.id > bindparam("after"))
    .order_by(U.c.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_BY_EMAIL = statement(
    select(*_COLUMNS, U.c.password_hash).where(
        _MINE, U.c.email == bindparam("email"), U.c.status != bindparam("removed")
    )
)
_BY_ID = statement(select(*_COLUMNS, U.c.password_hash).where(_MINE, U.c.id == bindparam("id")))
_HELD = statement(
    select(*_COLUMNS, U.c.password_hash).where(_MINE, U.c.id == bindparam("id")).with_for_update(key_share=True)
)
_INVITED = statement(
    select(U.c.tenant_id, U.c.invited_until, T.c.status.label("tenant_status"), *_COLUMNS)
    .join(T, T.c.id == U.c.tenant_id)
    .where(U.c.invitation == bindparam("digest"))
)
_ACCEPT = statement(
    update(U)
    .values(password_hash=bindparam("hash"), status=bindparam("status"), invitation=None, invited_until=None)
    .where(_MINE, U.c.invitation == bindparam("digest"))
)
_JOIN = statement(
    update(U)
    .values(status=bindparam("status"), invitation=None, invited_until=None)
    .where(_MINE, U.c.invitation == bindparam("digest"))
)
_HASH = statement(update(U).values(password_hash=bindparam("hash")).where(_MINE, U.c.id == bindparam("id")))
_ROLES = statement(update(U).values(roles=bindparam("roles")).where(_MINE, U.c.id == bindparam("id")))
_REMOVE = statement(
    update(U)
    .values(
        status=bindparam("removed"), password_hash=None, invitation=None, invited_until=None, roles=bindparam("roles")
    )
    .where(_MINE, U.c.id == bindparam("id"), U.c.status != bindparam("removed"))
)
_WITHDRAW = statement(
    update(U)
    .values(status=bindparam("removed"), invitation=None, invited_until=None, roles=bindparam("roles"))
    .where(_MINE, U.c.status == bindparam("invited"), U.c.invited_by == bindparam("maker"))
    .returning(U.c.id, U.c.email)
)
_OTHERS = statement(select(U.c.id).where(_MINE, U.c.status == bindparam("active")).order_by(U.c.id).with_for_update())
_KNOWN = statement(
    select(U.c.id).where(
        _MINE, U.c.id == func.any(bindparam("ids", type_=ARRAY(Text))), U.c.status != bindparam("removed")
    )
)
_SUPER = statement(
    select(U.c.id).where(
        _MINE,
        U.c.status == bindparam("active"),
        bindparam("role", type_=Text) == func.any(U.c.roles),
        U.c.id != bindparam("id"),
    )
)
_FAILED = statement(
    select(F.c.failures, F.c.until).where(F.c.tenant_id == bindparam("tenant_id"), F.c.id == bindparam("id"))
)
_FAILED_AT = statement(
    select(F.c.id, F.c.failures, F.c.until).where(
        F.c.tenant_id == bindparam("tenant_id"), F.c.id == func.any(bindparam("ids", type_=ARRAY(Text)))
    )
)
_FAIL = statement(
    insert(F)
    .values({column.name: bindparam(column.name) for column in F.c})
    .on_conflict_do_update(
        index_elements=[F.c.tenant_id, F.c.id], set_={"failures": F.c.failures + 1, "until": bindparam("until")}
    )
)
_FORGIVE = statement(delete(F).where(F.c.tenant_id == bindparam("tenant_id"), F.c.id == bindparam("id")))
_SWEEP = """
delete from {0} where ctid = any(array(
    select ctid from {0} where {1} < $1 order by {1} limit $2 for update skip locked
))
"""
_SWEEP_ENDED, _SWEEP_IDLE = _SWEEP.format("sessions", "ends_at"), _SWEEP.format("sessions", "seen_at")
_SWEEP_RESETS, _SWEEP_FAILURES = _SWEEP.format("password_resets", "until"), _SWEEP.format("sign_in_failures", "until")


@dataclass(frozen=True, slots=True, repr=False)
class Known:
    """Somebody, with the hash of the password, if there is one yet."""

    user: User
    hash: str | None


@dataclass(frozen=True, slots=True)
class Invited:
    """Whose invitation it is."""

    tenant_id: str
    tenant_live: bool
    until: datetime
    user: User


async def insert_user(tx: Tx, user: User, *, invitation: bytes, until: datetime, maker: str) -> bool:
    """Add somebody whom `maker` invites; False when the address is taken."""
    values = {column.name: getattr(user, column.name) for column in _COLUMNS} | {"roles": list(user.roles)}
    given = {"invitation": invitation, "invited_until": until, "invited_by": maker}
    done = await tx.execute(_ADD, tenant_id=tx.tenant_id, **given, **values)
    return bool(done)


async def user(tx: Tx, user_id: str, *, held: bool = False) -> User | None:
    """Somebody of the tenant; held, who stays what they are until the transaction ends."""
    row = await tx.fetchrow(_STILL if held else _ONE, tenant_id=tx.tenant_id, id=user_id)
    return _user(row) if row else None


async def held_users(tx: Tx, user_ids: Collection[str]) -> dict[str, User]:
    """Some people whom nobody else changes until the transaction ends; always in one order, so that no two who change
    each other wait for one another.
    """
    rows = await tx.fetch(_BOTH, tenant_id=tx.tenant_id, ids=list(user_ids))
    return {row["id"]: _user(row) for row in rows}


async def users(tx: Tx, *, after: str, offset: int, limit: int) -> list[User]:
    """Those who were not removed, the oldest first."""
    rows = await tx.fetch(
        _SOME, tenant_id=tx.tenant_id, removed=UserStatus.REMOVED, after=after, offset=offset, limit=limit
    )
    return [_user(row) for row in rows]


async def known(tx: Tx, *, email: str | None = None, user_id: str | None = None) -> Known | None:
    """Somebody by the address or the id, with the hash."""
    row = (
        await tx.fetchrow(_BY_EMAIL, tenant_id=tx.tenant_id, email=email, removed=UserStatus.REMOVED)
        if user_id is None
        else await tx.fetchrow(_BY_ID, tenant_id=tx.tenant_id, id=user_id)
    )
    return Known(_user(row), row["password_hash"]) if row else None


async def held(tx: Tx, user_id: str) -> Known | None:
    """Somebody whom nobody else changes until the transaction ends."""
    row = await tx.fetchrow(_HELD, tenant_id=tx.tenant_id, id=user_id)
    return Known(_user(row), row["password_hash"]) if row else None


async def invited(tx: Tx, digest: bytes) -> Invited | None:
    """Whose invitation it is, in whichever tenant."""
    row = await tx.fetchrow(_INVITED, digest=digest)
    if row is None:
        return None
    return Invited(row["tenant_id"], row["tenant_status"] == TenantStatus.ACTIVE, row["invited_until"], _user(row))


async def update_accepted(tx: Tx, digest: bytes, hashed: str) -> bool:
    """Use an invitation up; False when it was."""
    status = UserStatus.ACTIVE
    return bool(await tx.execute(_ACCEPT, tenant_id=tx.tenant_id, digest=digest, hash=hashed, status=status))


async def update_joined(tx: Tx, digest: bytes) -> bool:
    """Use an invitation up without a password; False when it was."""
    return bool(await tx.execute(_JOIN, tenant_id=tx.tenant_id, digest=digest, status=UserStatus.ACTIVE))


async def update_hash(tx: Tx, user_id: str, hashed: str) -> None:
    """Keep another hash."""
    await tx.execute(_HASH, tenant_id=tx.tenant_id, id=user_id, hash=hashed)


async def update_roles(tx: Tx, user_id: str, roles: tuple[str, ...]) -> None:
    """Give somebody these roles."""
    await tx.execute(_ROLES, tenant_id=tx.tenant_id, id=user_id, roles=list(roles))


async def update_removed(tx: Tx, user_id: str) -> bool:
    """Remove somebody; False when that was done before."""
    removed = UserStatus.REMOVED
    return bool(await tx.execute(_REMOVE, tenant_id=tx.tenant_id, id=user_id, removed=removed, roles=[]))


async def withdraw(tx: Tx, maker: str) -> list[tuple[str, str]]:
    """Take back what this maker invited to and nobody has taken up; whom, and at which address."""
    states = {"removed": UserStatus.REMOVED, "invited": UserStatus.INVITED}
    rows = await tx.fetch(_WITHDRAW, tenant_id=tx.tenant_id, maker=maker, roles=[], **states)
    return [(row["id"], row["email"]) for row in rows]


async def others_active(tx: Tx, user_id: str) -> bool:
    """Whether somebody but this one may sign in; two who remove each other at once wait for one another here."""
    rows = await tx.fetch(_OTHERS, tenant_id=tx.tenant_id, active=UserStatus.ACTIVE)
    return any(row["id"] != user_id for row in rows)


async def known_ids(tx: Tx, user_ids: Collection[str]) -> set[str]:
    """Those of these ids that stand for somebody of the tenant who was not removed."""
    rows = await tx.fetch(_KNOWN, tenant_id=tx.tenant_id, ids=list(user_ids), removed=UserStatus.REMOVED)
    return {row["id"] for row in rows}


async def other_super_admins(tx: Tx, user_id: str) -> list[str]:
    """Who else of the deployment's own people may sign in as a super admin."""
    rows = await tx.fetch(_SUPER, tenant_id=tx.tenant_id, active=UserStatus.ACTIVE, role=SUPER_ADMIN, id=user_id)
    return [row["id"] for row in rows]


async def failures(tx: Tx, place: str) -> tuple[int, datetime | None]:
    """How many wrong tries there were from here, and until when to wait."""
    row = await tx.fetchrow(_FAILED, tenant_id=tx.tenant_id, id=place)
    return (row["failures"], row["until"]) if row else (0, None)


async def failures_at(tx: Tx, places: Collection[str]) -> dict[str, tuple[int, datetime]]:
    """The same for several places; those where there is nothing are left out."""
    rows = await tx.fetch(_FAILED_AT, tenant_id=tx.tenant_id, ids=list(places))
    return {row["id"]: (row["failures"], row["until"]) for row in rows}


async def upsert_failure(tx: Tx, place: str, until: datetime) -> None:
    """One more wrong try, or another note that holds until then."""
    await tx.execute(_FAIL, tenant_id=tx.tenant_id, id=place, failures=1, until=until)


async def delete_failures(tx: Tx, place: str) -> None:
    """A right one."""
    await tx.execute(_FORGIVE, tenant_id=tx.tenant_id, id=place)


async def sweep_ended(tx: Tx, before: datetime, limit: int) -> int:
    """Forget some sessions that ended before then, of all tenants; how many there were."""
    return await tx.execute_sql(_SWEEP_ENDED, before, limit)


async def sweep_idle(tx: Tx, before: datetime, limit: int) -> int:
    """The same for sessions that nobody has shown since then."""
    return await tx.execute_sql(_SWEEP_IDLE, before, limit)


async def sweep_resets(tx: Tx, before: datetime, limit: int) -> int:
    """The same for resets of passwords that ran out before then."""
    return await tx.execute_sql(_SWEEP_RESETS, before, limit)


async def sweep_failures(tx: Tx, before: datetime, limit: int) -> int:
    """The same for wrong tries that count for nothing since then."""
    return await tx.execute_sql(_SWEEP_FAILURES, before, limit)


def _user(row: asyncpg.Record) -> User:
    status = UserStatus(row["status"])
    roles = tuple(row["roles"])
    return User(id=row["id"], email=row["email"], roles=roles, status=status, created_at=row["created_at"])
