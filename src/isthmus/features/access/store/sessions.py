"""Every statement about sessions."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.model.sessions import Kind, Session
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.tables import SECOND_FACTORS as F
from isthmus.features.access.tables import SESSIONS as S
from isthmus.features.access.tables import TENANTS as T
from isthmus.features.access.tables import USERS as U

_MINE = S.c.tenant_id == bindparam("tenant_id")
_PERSON = _MINE & (S.c.issuer == bindparam("issuer")) & (S.c.subject == bindparam("subject"))
_DIGEST = S.c.digest == bindparam("digest")
_START = statement(insert(S).values({column.name: bindparam(column.name) for column in S.c}))
_END = statement(delete(S).where(_PERSON, func.coalesce(S.c.kind == bindparam("kind"), true())))
_END_OTHERS = statement(delete(S).where(_PERSON, S.c.id != bindparam("kept")))
_ALIVE = statement(
    select(S.c.id).where(
        _PERSON, S.c.id == bindparam("id"), S.c.ends_at > bindparam("now"), S.c.seen_at > bindparam("seen")
    )
)
_END_ONE = statement(delete(S).where(_PERSON, _DIGEST))
_DROP = statement(delete(S).where(_MINE, _DIGEST))
_SHOWN = statement(
    select(
        *(S.c.tenant_id, S.c.digest, S.c.seen_at, S.c.ends_at, S.c.id, S.c.kind, S.c.issuer, S.c.subject),
        *(S.c.proved_at, S.c.strong, S.c.user_id),
        func.coalesce(U.c.roles, S.c.roles).label("held"),
        F.c.id.is_not(None).label("has_factor"),
        U.c.status.label("user_status"),
        T.c.status.label("tenant_status"),
    )
    .outerjoin(U, (U.c.tenant_id == S.c.tenant_id) & (U.c.id == S.c.user_id))
    .outerjoin(F, (F.c.tenant_id == S.c.tenant_id) & (F.c.id == S.c.user_id) & F.c.confirmed_at.is_not(None))
    .join(T, T.c.id == S.c.tenant_id)
    .where(_DIGEST)
)
_SEEN = statement(
    update(S).values(seen_at=func.greatest(S.c.seen_at, bindparam("now"))).where(_MINE, S.c.id == bindparam("id"))
)
_RENEW = statement(
    update(S)
    .values(
        digest=bindparam("fresh"),
        proved_at=bindparam("now"),
        seen_at=bindparam("now"),
        strong=S.c.strong | bindparam("strong"),
    )
    .where(_PERSON, _DIGEST)
)


async def insert_session(tx: Tx, made: Session, *, user_id: str | None) -> None:
    """Begin a session; a member's roles are read anew each time, those of others are kept with it."""
    await tx.execute(
        _START,
        tenant_id=tx.tenant_id,
        id=made.id,
        user_id=user_id,
        digest=made.digest,
        created_at=made.seen_at,
        seen_at=made.seen_at,
        ends_at=made.ends_at,
        kind=made.kind,
        issuer=made.issuer,
        subject=made.subject,
        roles=None if user_id else list(made.roles),
        proved_at=made.proved_at,
        strong=made.strong,
    )


async def delete_sessions(tx: Tx, issuer: str, subject: str, *, kind: Kind | None = None) -> int:
    """End every session of somebody, or those of one kind; how many there were."""
    return await tx.execute(_END, tenant_id=tx.tenant_id, issuer=issuer, subject=subject, kind=kind)


async def delete_other_sessions(tx: Tx, issuer: str, subject: str, kept: str) -> int:
    """End every session of somebody but this one; how many there were."""
    return await tx.execute(_END_OTHERS, tenant_id=tx.tenant_id, issuer=issuer, subject=subject, kept=kept)


async def is_alive(tx: Tx, who: tuple[str, str], session_id: str, now: datetime, idle: timedelta) -> bool:
    """Whether this session of issuer and subject still goes on."""
    issuer, subject = who
    found = await tx.fetchval(
        _ALIVE, tenant_id=tx.tenant_id, issuer=issuer, subject=subject, id=session_id, now=now, seen=now - idle
    )
    return found is not None


async def delete_session(tx: Tx, issuer: str, subject: str, digest: bytes) -> int:
    """End one session of somebody; 0 when it is none of theirs."""
    return await tx.execute(_END_ONE, tenant_id=tx.tenant_id, issuer=issuer, subject=subject, digest=digest)


async def delete_shown(tx: Tx, digest: bytes) -> int:
    """End the tenant's session behind a digest, whosever it is."""
    return await tx.execute(_DROP, tenant_id=tx.tenant_id, digest=digest)


async def update_renewed(
    tx: Tx, who: tuple[str, str], digests: tuple[bytes, bytes], *, now: datetime, strong: bool
) -> bool:
    """The session of issuer and subject goes on under another digest, freshly proved; False when it is gone."""
    (issuer, subject), (old, fresh) = who, digests
    times = {"now": now, "strong": strong}
    return bool(
        await tx.execute(
            _RENEW, tenant_id=tx.tenant_id, issuer=issuer, subject=subject, digest=old, fresh=fresh, **times
        )
    )


async def session(tx: Tx, digest: bytes) -> Session | None:
    """The session behind a digest, in whichever tenant."""
    row = await tx.fetchrow(_SHOWN, digest=digest)
    if row is None:
        return None
    return Session(
        tenant_id=row["tenant_id"],
        tenant_live=row["tenant_status"] == TenantStatus.ACTIVE,
        id=row["id"],
        digest=row["digest"],
        kind=Kind(row["kind"]),
        issuer=row["issuer"],
        subject=row["subject"],
        roles=tuple(row["held"] or ()),
        let_in=row["user_id"] is None or row["user_status"] == UserStatus.ACTIVE,
        seen_at=row["seen_at"],
        ends_at=row["ends_at"],
        proved_at=row["proved_at"],
        strong=row["strong"],
        has_factor=row["has_factor"],
    )


async def update_seen(tx: Tx, tenant_id: str, session_id: str, now: datetime) -> None:
    """The session is in use."""
    await tx.execute(_SEEN, tenant_id=tenant_id, id=session_id, now=now)
