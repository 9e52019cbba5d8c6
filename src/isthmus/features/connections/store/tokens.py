"""Statements over the tokens of one connection. What they mean is decided by `model.lease`, under the row's lock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import and_, bindparam, case, func, select, update

from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.connection import Status
from isthmus.features.connections.model.lease import Refresh
from isthmus.features.connections.tables import connections as c

_OWN = and_(c.c.tenant_id == bindparam("tenant_id"), c.c.id == bindparam("id"))
_SAME = and_(_OWN, c.c.token_version == bindparam("version"))
_HELD = select(
    c.c.access_token, c.c.refresh_token, c.c.previous_refresh, c.c.token_version, c.c.expires_at,
    c.c.refresh_expires_at, c.c.scope, c.c.status, c.c.status_reason, c.c.lease_owner, c.c.lease_until,
    c.c.sending_since, c.c.uncertain_tries, c.c.retry_at, c.c.failures, c.c.connected_at,
    func.clock_timestamp().label("at"),
).where(_OWN)  # fmt: skip
_LOAD = statement(_HELD)
_LOCK = statement(_HELD.with_for_update())
_CREDENTIALS = statement(
    select(c.c.credentials, c.c.token_version, c.c.previous_credentials, c.c.previous_until, c.c.refresh_token).where(
        _OWN
    )
)
_VERSION = statement(select(c.c.token_version, c.c.lease_until.is_(None).label("idle")).where(_OWN))
_LEASE_VALUES: dict[str, Any] = {
    "status": bindparam("status"),
    "status_reason": bindparam("reason"),
    "lease_owner": bindparam("owner"),
    "lease_until": bindparam("until"),
    "sending_since": bindparam("sending_since"),
    "uncertain_tries": bindparam("tries"),
    "retry_at": bindparam("retry_at"),
    "failures": bindparam("failures"),
    "updated_at": bindparam("now"),
}
_PAIR_VALUES: dict[str, Any] = {
    "access_token": bindparam("access"),
    "refresh_token": bindparam("refresh"),
    "expires_at": bindparam("expires_at"),
    "refresh_expires_at": bindparam("refresh_expires_at"),
    "scope": bindparam("scope"),
    "token_version": c.c.token_version + 1,
}
_WRITE = statement(update(c).where(_SAME).values(_LEASE_VALUES))
_SWAP = statement(update(c).where(_SAME).values(_LEASE_VALUES | _PAIR_VALUES | {"previous_refresh": c.c.refresh_token}))
#: Stands for the credentials that people gave: two that were given in one instant have two.
_GRANTED = func.greatest(bindparam("now", type_=c.c.connected_at.type), c.c.connected_at + timedelta(microseconds=1))
_GRANT = statement(
    update(c)
    .where(_SAME)
    .values(
        _LEASE_VALUES
        | _PAIR_VALUES
        | {"previous_refresh": None, "credentials": bindparam("credentials"), "connected_at": _GRANTED}
        | {"next_test_at": bindparam("next_test_at"), "test_failures": 0, "test_error": None}
        | {
            "previous_credentials": case(
                (bindparam("overlap", type_=c.c.previous_until.type).is_not(None), c.c.credentials)
            ),
            "previous_until": bindparam("overlap", type_=c.c.previous_until.type),
        }
        | {name: bindparam(name) for name in ("hosts_digest", "registration_id", "external_account_id", "account")}
    )
)
_FORGET_REPLACED = statement(
    update(c).where(c.c.previous_until < bindparam("now")).values(previous_credentials=None, previous_until=None)
)
_PROVED = statement(
    update(c)
    .where(_SAME, c.c.previous_refresh.is_not(None))
    .values(previous_refresh=None)
)  # fmt: skip
_SEALED = statement(
    select(
        c.c.id,
        c.c.token_version,
        c.c.access_token,
        c.c.refresh_token,
        c.c.previous_refresh,
        c.c.credentials,
        c.c.previous_credentials,
    )
    .where(c.c.tenant_id == bindparam("tenant_id"), c.c.id > bindparam("after"))
    .order_by(c.c.id)
    .limit(bindparam("limit"))
    .with_for_update()
)
_RESEALED = statement(
    update(c)
    .where(_SAME)
    .values(
        access_token=bindparam("access"), refresh_token=bindparam("refresh"),
        previous_refresh=bindparam("previous"), credentials=bindparam("keys"),
        previous_credentials=bindparam("replaced"),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """The sealed tokens of a connection, the state of their refresh, and the database's time."""

    access: bytes | None
    refresh: bytes | None
    previous: bytes | None
    expires_at: datetime | None
    refresh_expires_at: datetime | None
    scope: tuple[str, ...]
    state: Refresh
    at: datetime
    #: When people gave the credentials that these are of.
    connected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is stored of a grant: sealed texts and their dates."""

    access: bytes | None = None
    refresh: bytes | None = None
    credentials: bytes | None = None
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    scope: tuple[str, ...] = ()
    #: Until when the keys that these replace are kept beside them; None destroys those at once.
    overlap: datetime | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a grant is and under which registration it was given."""

    account_id: str | None
    account: Mapping[str, object]
    registration_id: str
    hosts_digest: str
    #: When the credentials are to be tried first.
    next_test_at: datetime


@dataclass(frozen=True, slots=True)
class Columns:
    """The sealed columns of one connection, for a new data key."""

    id: str
    version: int
    access: bytes | None
    refresh: bytes | None
    previous: bytes | None
    credentials: bytes | None
    replaced: bytes | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The sealed keys of a connection without a consent, their generation, and what they replaced.

    traded: those that are traded for tokens stand in the place of a refresh token.
    """

    credentials: bytes | None
    version: int
    previous: bytes | None
    previous_until: datetime | None
    traded: bytes | None


def _held(row: asyncpg.Record) -> Held:
    state = Refresh(
        version=row["token_version"],
        status=Status(row["status"]),
        reason=row["status_reason"],
        owner=row["lease_owner"],
        until=row["lease_until"],
        sending_since=row["sending_since"],
        tries=row["uncertain_tries"],
        retry_at=row["retry_at"],
        failures=row["failures"],
    )
    return Held(
        access=row["access_token"],
        refresh=row["refresh_token"],
        previous=row["previous_refresh"],
        expires_at=row["expires_at"],
        refresh_expires_at=row["refresh_expires_at"],
        scope=tuple(row["scope"].split()),
        state=state,
        at=row["at"],
        connected_at=row["connected_at"],
    )


def _lease_values(state: Refresh, now: datetime) -> dict[str, Any]:
    return {
        "status": state.status.value,
        "reason": state.reason,
        "owner": state.owner,
        "until": state.until,
        "sending_since": state.sending_since,
        "tries": state.tries,
        "retry_at": state.retry_at,
        "failures": state.failures,
        "now": now,
    }


def _pair_values(sealed: Sealed) -> dict[str, Any]:
    return {
        "access": sealed.access,
        "refresh": sealed.refresh,
        "expires_at": sealed.expires_at,
        "refresh_expires_at": sealed.refresh_expires_at,
        "scope": " ".join(sealed.scope),
    }


async def load(tx: Tx, connection_id: str, *, lock: bool = False) -> Held | None:
    """The newest sealed tokens; `lock` holds the row until the commit."""
    found = await tx.fetchrow(_LOCK if lock else _LOAD, tenant_id=tx.tenant_id, id=connection_id)
    return _held(found) if found else None


async def credentials(tx: Tx, connection_id: str) -> Credentials | None:
    """The sealed keys of a connection without a consent."""
    found = await tx.fetchrow(_CREDENTIALS, tenant_id=tx.tenant_id, id=connection_id)
    return Credentials(*found.values()) if found else None


async def forget_replaced(system_tx: Tx, now: datetime) -> int:
    """Destroy replaced keys whose overlap is over."""
    return await system_tx.execute(_FORGET_REPLACED, now=now)


async def version(tx: Tx, connection_id: str) -> tuple[int, bool] | None:
    """The generation of the newest tokens and whether no lease is out; None when the connection is gone."""
    found = await tx.fetchrow(_VERSION, tenant_id=tx.tenant_id, id=connection_id)
    return (found["token_version"], found["idle"]) if found else None


async def update_lease(tx: Tx, connection_id: str, state: Refresh, now: datetime) -> None:
    """Write the state of a refresh whose row is locked."""
    await tx.execute(
        _WRITE, tenant_id=tx.tenant_id, id=connection_id, version=state.version, **_lease_values(state, now)
    )


async def update_pair(tx: Tx, connection_id: str, state: Refresh, sealed: Sealed, now: datetime) -> bool:
    """Store the next generation; the refresh token before it is kept until the new access token has worked."""
    touched = await tx.execute(
        _SWAP, tenant_id=tx.tenant_id, id=connection_id, version=state.version - 1,
        **_lease_values(state, now), **_pair_values(sealed),
    )  # fmt: skip
    return bool(touched)


async def update_granted(
    tx: Tx, connection_id: str, state: Refresh, sealed: Sealed, owner: Owner, now: datetime
) -> bool:
    """Store what a consent or a person gave, as the next generation; nothing of the one before is kept."""
    touched = await tx.execute(
        _GRANT, tenant_id=tx.tenant_id, id=connection_id, version=state.version - 1, credentials=sealed.credentials,
        overlap=sealed.overlap,
        hosts_digest=owner.hosts_digest, registration_id=owner.registration_id,
        external_account_id=owner.account_id, account=dict(owner.account), next_test_at=owner.next_test_at,
        **_lease_values(state, now), **_pair_values(sealed),
    )  # fmt: skip
    return bool(touched)


async def update_proved(tx: Tx, connection_id: str, proved: int) -> None:
    """The access token of this generation worked: the refresh token before it is not needed any more."""
    await tx.execute(_PROVED, tenant_id=tx.tenant_id, id=connection_id, version=proved)


async def sealed_page(tx: Tx, after: str, limit: int) -> list[Columns]:
    """Some connections with their sealed columns, locked."""
    rows = await tx.fetch(_SEALED, tenant_id=tx.tenant_id, after=after, limit=limit)
    return [Columns(*row.values()) for row in rows]


async def update_sealed(tx: Tx, row: Columns) -> None:
    """Write the same values, sealed anew."""
    await tx.execute(
        _RESEALED, tenant_id=tx.tenant_id, id=row.id, version=row.version, access=row.access, refresh=row.refresh,
        previous=row.previous, keys=row.credentials, replaced=row.replaced,
    )  # fmt: skip
