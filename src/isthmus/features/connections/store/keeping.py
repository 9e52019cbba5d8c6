"""Statements over refresh tokens that end soon."""

from datetime import datetime, timedelta
from typing import Final

from isthmus.engine.db import Tx

#: Each connection has its own moment in the last quarter of the time ahead, so that many that began together part.
_DUE: Final = """
select tenant_id, id from connections
where refresh_expires_at > $1::timestamptz
  and refresh_expires_at < $1 + $2::interval * (0.75 + 0.25 * (abs(hashtext(id)::bigint) % 100) / 100.0)::float8
  and refresh_token is not null and status not in ('pending', 'expired')
  and (renewed_for is null or refresh_expires_at > renewed_for + interval '1 hour')
  and (renewed_at is null or renewed_at < $3)
order by refresh_expires_at limit $4
"""
_CLAIM: Final = """
update connections set renewed_for = refresh_expires_at, renewed_at = $3::timestamptz
where tenant_id = $1 and id = $2 and refresh_expires_at < $3::timestamptz + $4::interval
  and (renewed_for is null or refresh_expires_at > renewed_for + interval '1 hour')
"""
_RELEASE: Final = "update connections set renewed_for = null, renewed_at = $3 where tenant_id = $1 and id = $2"
#: An end that the platform tells as seconds from now may seem to move by a little.
_UNMOVED: Final = """
select refresh_expires_at as at from connections
where tenant_id = $1 and id = $2 and refresh_expires_at <= renewed_for + interval '1 hour'
"""


async def due(system_tx: Tx, now: datetime, ahead: timedelta, since: datetime, most: int) -> list[tuple[str, str]]:
    """Tenant and id of connections whose refresh token ends within `ahead` and was not used for that since `since`."""
    rows = await system_tx.fetch_sql(_DUE, now, ahead, since, most)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def update_claimed(tx: Tx, connection_id: str, now: datetime, ahead: timedelta) -> bool:
    """Take the renewal of one connection; false where somebody has it or had it."""
    return await tx.execute_sql(_CLAIM, tx.tenant_id, connection_id, now, ahead) > 0


async def update_released(tx: Tx, connection_id: str, tried: datetime) -> None:
    """Give it back to be tried again."""
    await tx.execute_sql(_RELEASE, tx.tenant_id, connection_id, tried)


async def unmoved(tx: Tx, connection_id: str) -> datetime | None:
    """The end of the refresh token, where the renewal has not moved it."""
    rows = await tx.fetch_sql(_UNMOVED, tx.tenant_id, connection_id)
    return rows[0]["at"] if rows else None
