"""Every statement about resets of passwords."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.tables import PASSWORD_RESETS as R
from isthmus.features.access.tables import TENANTS as T
from isthmus.features.access.tables import USERS as U

_ADD = statement(insert(R).values({column.name: bindparam(column.name) for column in R.c}))
_FOUND = statement(
    select(R.c.tenant_id, R.c.user_id, R.c.until, U.c.email, U.c.status, T.c.status.label("tenant_status"))
    .join(U, (U.c.tenant_id == R.c.tenant_id) & (U.c.id == R.c.user_id))
    .join(T, T.c.id == R.c.tenant_id)
    .where(R.c.digest == bindparam("digest"))
)
_OF_USER = statement(delete(R).where(R.c.tenant_id == bindparam("tenant_id"), R.c.user_id == bindparam("user_id")))
_BY = statement(delete(R).where(R.c.tenant_id == bindparam("tenant_id"), R.c.offered_by == bindparam("maker")))
_TAKE = statement(delete(R).where(R.c.tenant_id == bindparam("tenant_id"), R.c.digest == bindparam("digest")))


@dataclass(frozen=True, slots=True)
class Reset:
    """Whose password it resets."""

    tenant_id: str
    user_id: str
    email: str
    until: datetime
    #: Whether the tenant is let in and the member is one.
    usable: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """Whom a reset is offered to, by which principal, and until when."""

    user_id: str
    maker: str
    until: datetime


async def insert_reset(tx: Tx, reset_id: str, digest: bytes, offer: Offer) -> None:
    """Keep a reset; earlier ones of the same member end."""
    user_id, until = offer.user_id, offer.until
    await tx.execute(_OF_USER, tenant_id=tx.tenant_id, user_id=user_id)
    about = {"user_id": user_id, "until": until, "offered_by": offer.maker}
    await tx.execute(_ADD, tenant_id=tx.tenant_id, id=reset_id, digest=digest, **about)


async def reset(tx: Tx, digest: bytes) -> Reset | None:
    """The reset behind a digest, in whichever tenant."""
    row = await tx.fetchrow(_FOUND, digest=digest)
    if row is None:
        return None
    usable = row["tenant_status"] == TenantStatus.ACTIVE and row["status"] == UserStatus.ACTIVE
    return Reset(row["tenant_id"], row["user_id"], row["email"], row["until"], usable)


async def delete_reset(tx: Tx, digest: bytes) -> bool:
    """Use a reset up; False when it was."""
    return bool(await tx.execute(_TAKE, tenant_id=tx.tenant_id, digest=digest))


async def withdraw(tx: Tx, maker: str) -> None:
    """Resets that this principal offered serve nobody any more."""
    await tx.execute(_BY, tenant_id=tx.tenant_id, maker=maker)
