"""Statements over the scheduled tests of connections."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, select, update

from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.connection import Status
from isthmus.features.connections.tables import connections as c

_OWN = and_(c.c.tenant_id == bindparam("tenant_id"), c.c.id == bindparam("id"))
_CLAIM = statement(
    update(c)
    .where(_OWN, c.c.next_test_at <= bindparam("now"))
    .values(next_test_at=bindparam("until"))
    .returning(c.c.id)
)
_TESTED = statement(
    update(c)
    .where(_OWN)
    .values(
        last_tested_at=bindparam("now"),
        updated_at=bindparam("now"),
        test_failures=bindparam("failures"),
        test_error=bindparam("error"),
        next_test_at=bindparam("next_at"),
    )
)
_TOLD = statement(update(c).where(_OWN).values(account=bindparam("account")))
_DUE = statement(
    select(c.c.tenant_id, c.c.id)
    .where(
        c.c.next_test_at <= bindparam("now"),
        c.c.status != Status.PENDING.value,
        c.c.status != Status.EXPIRED.value,
    )
    .order_by(c.c.next_test_at)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class State:
    """What is kept of the last test, and when the next one is due."""

    failures: int
    error: str | None
    next_at: datetime


async def update_claimed(tx: Tx, connection_id: str, now: datetime, until: datetime) -> bool:
    """Take a test that is due, until then; False when somebody else has."""
    found = await tx.fetchval(_CLAIM, tenant_id=tx.tenant_id, id=connection_id, now=now, until=until)
    return found is not None


async def update_account(tx: Tx, connection_id: str, account: Mapping[str, Any]) -> None:
    """Keep what the far side says of the account now."""
    await tx.execute(_TOLD, tenant_id=tx.tenant_id, id=connection_id, account=dict(account))


async def update_tested(tx: Tx, connection_id: str, state: State, now: datetime) -> None:
    """Note how a test went."""
    await tx.execute(
        _TESTED, tenant_id=tx.tenant_id, id=connection_id, now=now, failures=state.failures, error=state.error,
        next_at=state.next_at,
    )  # fmt: skip


async def due(system_tx: Tx, now: datetime, most: int) -> list[tuple[str, str]]:
    """Tenant and id of connections whose test is due, the oldest first."""
    return [(row["tenant_id"], row["id"]) for row in await system_tx.fetch(_DUE, now=now, most=most)]
