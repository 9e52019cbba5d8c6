"""Statements over what full reads have met, and over records that they no longer found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from isthmus.engine.db import Tx
from isthmus.features.sync.model import Run
from isthmus.kit.paging import Ask, Page


@dataclass(frozen=True, slots=True)
class Suspect:
    """A record that a full read did not find."""

    id: str
    external_id: str
    record_id: str
    state: str
    entity: str
    provider: str
    connection_id: str


_NOTE: Final = "insert into sync_seen (tenant_id, run_id, page, external_ids) values ($1, $2, $3, $4)"
_HAS_SEEN: Final = "select 1 from sync_seen where tenant_id = $1 and run_id = $2 limit 1"
_SEEN: Final = """
select page, external_ids from sync_seen where tenant_id = $1 and run_id = $2 and page > $3 order by page limit 50
"""
_DROP_SEEN: Final = "delete from sync_seen where tenant_id = $1 and run_id = $2"
_SUSPECT: Final = """
insert into sync_suspects (tenant_id, id, run_id, connection_id, provider, entity, external_id, record_id, state,
  created_at)
select $1, f.id, $2, $3, $4, $5, f.external_id, f.record_id, $6, $7
from unnest($8::text[], $9::text[], $10::text[]) as f(id, external_id, record_id)
on conflict do nothing
"""
_OPEN: Final = """
select id, external_id, record_id, state, entity, provider, connection_id from sync_suspects
where tenant_id = $1 and connection_id = $2 and entity = $3 and state in ('open', 'approved') and id > $4
order by id limit $5
"""
_SETTLE: Final = """
update sync_suspects set state = $3, reason = $4, decided_at = $5 where tenant_id = $1 and id = any($2::text[])
"""
_FOUND_AGAIN: Final = """
update sync_suspects set state = 'found', reason = 'A later read found it.', decided_at = $5
where tenant_id = $1 and connection_id = $2 and entity = $3 and state in ('open', 'waiting')
  and external_id = any($4::text[])
"""
_DECIDE: Final = """
update sync_suspects set state = $4, decided_by = $5, decided_at = $6
where tenant_id = $1 and run_id = $2 and state = 'waiting' and ($3::text[] is null or id = any($3::text[]))
returning id
"""
_LIST: Final = """
select id, run_id, connection_id, provider, entity, external_id, record_id, state, reason, decided_by, created_at,
  decided_at
from sync_suspects
where tenant_id = $1 and ($2::text is null or connection_id = $2) and ($3::text is null or state = $3)
  and ($4::text is null or run_id = $4) and ($5::text is null or id < $5)
order by id desc limit $6 offset $7
"""
_LOOSE: Final = """
select distinct r.tenant_id, r.id from sync_runs r join sync_seen s on s.tenant_id = r.tenant_id and s.run_id = r.id
where r.state in ('succeeded', 'failed', 'cancelled') and r.changed_at < clock_timestamp() - interval '10 seconds'
limit $1
"""
_ADD_CHANGES: Final = """
insert into sync_changes (tenant_id, run_id, page, external_id, change)
select $1, $2, $3, f.external_id, f.change from unnest($4::text[], $5::text[]) as f(external_id, change)
on conflict do nothing
"""
_CHANGES: Final = """
select page, external_id, change from sync_changes
where tenant_id = $1 and run_id = $2 and (page, external_id) > ($3, $4) order by page, external_id limit $5
"""
_FAILED_IDS: Final = """
select max(id) as place, external_id from sync_errors
where tenant_id = $1 and run_id = $2 and external_id <> '' and id > $3
group by external_id order by 1 limit $4
"""


async def note_seen(tx: Tx, run: Run, page: int, external_ids: Sequence[str]) -> None:
    """Remember what one page of a full read has met."""
    await tx.execute_sql(_NOTE, tx.tenant_id, run.id, page, external_ids)


async def has_seen(tx: Tx, run: Run) -> bool:
    """Whether an earlier worker of the run remembered its pages."""
    return bool(await tx.fetch_sql(_HAS_SEEN, tx.tenant_id, run.id))


async def seen(tx: Tx, run: Run, after: int) -> list[tuple[int, list[str]]]:
    """Some pages of what was met, behind a page."""
    rows = await tx.fetch_sql(_SEEN, tx.tenant_id, run.id, after)
    return [(row["page"], row["external_ids"]) for row in rows]


async def drop_seen(tx: Tx, run_id: str) -> None:
    """Forget what was met."""
    await tx.execute_sql(_DROP_SEEN, tx.tenant_id, run_id)


async def suspect(tx: Tx, run: Run, rows: Sequence[tuple[str, str, str]], state: str, now: datetime) -> None:
    """Note records (id of the suspicion, external id, our id) that were not found; known suspicions stay."""
    columns = zip(*rows, strict=True)
    keys = (run.id, run.connection_id, run.provider, run.entity)
    await tx.execute_sql(_SUSPECT, tx.tenant_id, *keys, state, now, *columns)


async def open_suspects(tx: Tx, place: tuple[str, str], after: str, limit: int) -> list[Suspect]:
    """Suspicions that the platform is to be asked about; `place` is connection and entity."""
    rows = await tx.fetch_sql(_OPEN, tx.tenant_id, *place, after, limit)
    return [Suspect(*row) for row in map(tuple, rows)]


async def settle_suspects(tx: Tx, ids: Sequence[str], state: str, reason: str | None, now: datetime) -> None:
    """Say what became of these suspicions."""
    await tx.execute_sql(_SETTLE, tx.tenant_id, ids, state, reason, now)


async def found_again(tx: Tx, place: tuple[str, str], external_ids: Sequence[str], now: datetime) -> None:
    """These records have been met again: nobody suspects them any more."""
    await tx.execute_sql(_FOUND_AGAIN, tx.tenant_id, *place, external_ids, now)


async def decide_suspects(
    tx: Tx, run_id: str, ids: Sequence[str] | None, state: str, decided_by: str, now: datetime
) -> int:
    """Approve or reject the waiting suspicions of a run, all or these; how many."""
    return len(await tx.fetch_sql(_DECIDE, tx.tenant_id, run_id, ids, state, decided_by, now))


async def suspects(
    tx: Tx, connection_id: str | None, state: str | None, run_id: str | None, ask: Ask
) -> Page[asyncpg.Record]:
    """Suspicions, newest first."""
    wanted = (connection_id, state, run_id, ask.after, ask.limit + 1, ask.offset)
    rows = await tx.fetch_sql(_LIST, tx.tenant_id, *wanted)
    more, shown = len(rows) > ask.limit, rows[: ask.limit]
    return Page(shown, shown[-1]["id"] if more else None, has_more=more)


async def loose(tx: Tx, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of ended runs whose findings nobody has compared; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch_sql(_LOOSE, limit)]


async def add_changes(tx: Tx, run: Run, page: int, changed: Sequence[tuple[str, bool]]) -> None:
    """Note what a rehearsal would have done."""
    ids = [external_id for external_id, _ in changed]
    words = ["created" if created else "updated" for _, created in changed]
    await tx.execute_sql(_ADD_CHANGES, tx.tenant_id, run.id, page, ids, words)


async def changes(tx: Tx, run_id: str, ask: Ask) -> Page[asyncpg.Record]:
    """What a rehearsal would have done, in the order it was met. Raises ValueError for a foreign place."""
    page, _, external_id = (ask.after or "-1|").partition("|")
    rows = await tx.fetch_sql(_CHANGES, tx.tenant_id, run_id, int(page), external_id, ask.limit + 1)
    more, shown = len(rows) > ask.limit, rows[: ask.limit]
    return Page(shown, f"{shown[-1]['page']}|{shown[-1]['external_id']}" if more else None, has_more=more)


async def failed_ids(tx: Tx, run_id: str, after: str, limit: int) -> list[tuple[str, str]]:
    """Place and external id of a run's failed records behind a place, each record once."""
    rows = await tx.fetch_sql(_FAILED_IDS, tx.tenant_id, run_id, after, limit)
    return [(row["place"], row["external_id"]) for row in rows]
