"""Every statement about logins at other issuers."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.logins import Identity
from isthmus.features.access.tables import LOGIN_ATTEMPTS as L
from isthmus.features.access.tables import USER_IDENTITIES as I

_MINE = I.c.tenant_id == bindparam("tenant_id")
_ADD = statement(insert(L).values({column.name: bindparam(column.name) for column in L.c}))
_TAKE = statement(
    delete(L)
    .where(
        L.c.id == bindparam("id"),
        L.c.browser == bindparam("browser"),
        L.c.issuer == bindparam("issuer"),
        L.c.until > bindparam("now"),
    )
    .returning(L.c.tenant, L.c.invitation, L.c.return_to, L.c.member, L.c.session)
)
_COUNT = statement(
    select(func.count()).where(
        L.c.tenant == bindparam("tenant"), L.c.member == bindparam("member"), L.c.until > bindparam("now")
    )
)
_SWEEP = """
delete from login_attempts where ctid = any(array(
    select ctid from login_attempts where until < $1 order by until limit $2 for update skip locked
))
"""
_LINK = statement(
    insert(I)
    .values({column.name: bindparam(column.name) for column in I.c})
    .on_conflict_do_nothing(index_elements=[I.c.tenant_id, I.c.issuer, I.c.subject])
)
_WHOSE = statement(
    select(I.c.user_id).where(_MINE, I.c.issuer == bindparam("issuer"), I.c.subject == bindparam("subject"))
)
_STILL = statement(
    select(I.c.user_id)
    .where(_MINE, I.c.issuer == bindparam("issuer"), I.c.subject == bindparam("subject"))
    .with_for_update(read=True)
)
_OF = statement(
    select(I.c.issuer, I.c.subject, I.c.linked_at)
    .where(_MINE, I.c.user_id == bindparam("user_id"))
    .order_by(I.c.linked_at, I.c.issuer, I.c.subject)
)
_UNLINK_ONE = statement(
    delete(I).where(
        _MINE,
        I.c.user_id == bindparam("user_id"),
        I.c.issuer == bindparam("issuer"),
        I.c.subject == bindparam("subject"),
    )
)
_UNLINK = statement(delete(I).where(_MINE, I.c.user_id == bindparam("user_id")))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login on its way: where to, by which invitation, and where the browser goes then.

    Or for which member of the tenant, from which session of theirs.
    """

    tenant: str
    invitation: bytes | None
    return_to: str
    member: str | None = None
    session: str | None = None


async def insert_attempt(tx: Tx, attempt: Attempt, digests: tuple[bytes, bytes], issuer: str, until: datetime) -> None:
    """Note a login by the digests of its state and of its browser's cookie."""
    state, browser = digests
    about = {name: getattr(attempt, name) for name in ("tenant", "invitation", "return_to", "member", "session")}
    await tx.execute(_ADD, id=state, browser=browser, issuer=issuer, until=until, **about)


async def count_links(tx: Tx, tenant: str, member: str, now: datetime) -> int:
    """How many logins this member is about to add; the lock makes the count exact until the commit."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 31))", f"{tenant}/{member}")
    found: int = await tx.fetchval(_COUNT, tenant=tenant, member=member, now=now)
    return found


async def take_attempt(tx: Tx, digests: tuple[bytes, bytes], issuer: str, now: datetime) -> Attempt | None:
    """Use a login up, once, in its own browser and at its own issuer only."""
    state, browser = digests
    row = await tx.fetchrow(_TAKE, id=state, browser=browser, issuer=issuer, now=now)
    return Attempt(**row) if row else None


async def sweep(tx: Tx, before: datetime, limit: int) -> int:
    """Forget some of those that nobody came back from; how many there were."""
    return await tx.execute_sql(_SWEEP, before, limit)


async def insert_identity(tx: Tx, who: tuple[str, str], user_id: str, now: datetime) -> bool:
    """Somebody's login is this issuer's subject; False when it is somebody's already."""
    issuer, subject = who
    place = {"issuer": issuer, "subject": subject, "user_id": user_id}
    return bool(await tx.execute(_LINK, tenant_id=tx.tenant_id, linked_at=now, **place))


async def user_of(tx: Tx, who: tuple[str, str], *, held: bool = False) -> str | None:
    """Whose login it is in this tenant; held, it stays theirs until the transaction ends."""
    issuer, subject = who
    found: str | None = await tx.fetchval(
        _STILL if held else _WHOSE, tenant_id=tx.tenant_id, issuer=issuer, subject=subject
    )
    return found


async def identities(tx: Tx, user_id: str) -> list[Identity]:
    """Somebody's logins, the oldest first."""
    return [Identity(**row) for row in await tx.fetch(_OF, tenant_id=tx.tenant_id, user_id=user_id)]


async def delete_identity(tx: Tx, user_id: str, who: tuple[str, str]) -> bool:
    """This login opens nothing any more; False when it did not."""
    issuer, subject = who
    place = {"issuer": issuer, "subject": subject, "user_id": user_id}
    return bool(await tx.execute(_UNLINK_ONE, tenant_id=tx.tenant_id, **place))


async def delete_identities(tx: Tx, user_id: str) -> None:
    """Somebody's logins open nothing any more."""
    await tx.execute(_UNLINK, tenant_id=tx.tenant_id, user_id=user_id)
