"""Every statement about what tenants leave of the roles that other issuers give."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import Text, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.issuers import Account
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.tables import ISSUER_ACCOUNTS as A
from isthmus.features.access.tables import TENANTS as T
from isthmus.kit.permissions import TENANT_ADMIN

_COLUMNS = (A.c.id, A.c.issuer, A.c.subject, A.c.roles, A.c.set_by, A.c.set_at)
_MINE = A.c.tenant_id == bindparam("tenant_id")
_PUT = statement(
    insert(A)
    .values({column.name: bindparam(column.name) for column in A.c})
    .on_conflict_do_update(
        index_elements=[A.c.tenant_id, A.c.issuer, A.c.subject],
        set_={name: bindparam(name) for name in ("roles", "set_by", "set_at")},
    )
    .returning(A.c.id)
)
_ONE = statement(select(*_COLUMNS).where(_MINE, A.c.id == bindparam("id")))
_OF = statement(select(*_COLUMNS).where(_MINE, A.c.issuer == bindparam("issuer"), A.c.subject == bindparam("subject")))
_OF_LOCKED = statement(
    select(*_COLUMNS)
    .where(_MINE, A.c.issuer == bindparam("issuer"), A.c.subject == bindparam("subject"))
    .with_for_update()
)
_LIMITED = statement(
    select(A.c.id).where(_MINE, func.concat("user:", A.c.issuer, ":", A.c.subject) == bindparam("who", type_=Text))
)
_SOME = statement(
    select(*_COLUMNS)
    .where(_MINE, A.c.id > bindparam("after"))
    .order_by(A.c.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_DROP = statement(delete(A).where(_MINE, A.c.id == bindparam("id")))
_STANDING = statement(
    select(T.c.status, A.c.issuer, A.c.subject, A.c.roles)
    .outerjoin(A, A.c.tenant_id == T.c.id)
    .where(T.c.id == bindparam("id"))
)
#: What keys of theirs may do shrinks with their roles, as `model.left_of` has it; it never grows here.
_SHRINK = """
update api_keys set creator_roles = case when $4 = any(creator_roles) then $3::text[]
  else array(select unnest(creator_roles) intersect select unnest($3::text[])) end
where tenant_id = $1 and created_by = $2 and not creator_roles <@ $3::text[]
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a tenant is let in, and the roles that it leaves to people of other issuers."""

    live: bool
    limits: Mapping[tuple[str, str], frozenset[str]]


async def standing(tx: Tx, tenant_id: str) -> Standing:
    """How a tenant stands; as the system, in one statement."""
    rows = await tx.fetch(_STANDING, id=tenant_id)
    live = bool(rows) and rows[0]["status"] == TenantStatus.ACTIVE
    limits = {(row["issuer"], row["subject"]): frozenset(row["roles"]) for row in rows if row["issuer"] is not None}
    return Standing(live, limits)


async def is_limited(tx: Tx, who: str) -> bool:
    """Whether the tenant limits this principal."""
    return await tx.fetchval(_LIMITED, tenant_id=tx.tenant_id, who=who) is not None


async def put_account(tx: Tx, account: Account) -> str:
    """Keep what is left of somebody's roles; the id, which stays what it was."""
    values = {column.name: getattr(account, column.name) for column in _COLUMNS} | {"roles": list(account.roles)}
    return str(await tx.fetchval(_PUT, tenant_id=tx.tenant_id, **values))


async def account(tx: Tx, account_id: str) -> Account | None:
    """One of the tenant's."""
    row = await tx.fetchrow(_ONE, tenant_id=tx.tenant_id, id=account_id)
    return _account(row) if row else None


async def account_of(tx: Tx, issuer: str, subject: str, *, locked: bool = False) -> Account | None:
    """What is kept of this person."""
    row = await tx.fetchrow(_OF_LOCKED if locked else _OF, tenant_id=tx.tenant_id, issuer=issuer, subject=subject)
    return _account(row) if row else None


async def accounts(tx: Tx, *, after: str, offset: int, limit: int) -> list[Account]:
    """The oldest first."""
    rows = await tx.fetch(_SOME, tenant_id=tx.tenant_id, after=after, offset=offset, limit=limit)
    return [_account(row) for row in rows]


async def delete_account(tx: Tx, account_id: str) -> None:
    """Leave somebody all that the issuer gives."""
    await tx.execute(_DROP, tenant_id=tx.tenant_id, id=account_id)


async def update_shrunk(tx: Tx, creator: str, roles: tuple[str, ...]) -> int:
    """Keys of this creator may do no more than these roles; how many change."""
    return await tx.execute_sql(_SHRINK, tx.tenant_id, creator, list(roles), TENANT_ADMIN)


def _account(row: asyncpg.Record) -> Account:
    set_at: datetime = row["set_at"]
    return Account(
        id=row["id"],
        issuer=row["issuer"],
        subject=row["subject"],
        roles=tuple(row["roles"]),
        set_by=row["set_by"],
        set_at=set_at,
    )
