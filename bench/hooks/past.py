"""Pasts of inbound and outbound deliveries, written set by set, and a snapshot that is never let go."""

import contextlib
import os
from collections.abc import AsyncIterator

from isthmus.engine.db import connect, room
from isthmus.scope import System

STORED = int(os.environ.get("ISTHMUS_BENCH_STORED", "1000000"))
WAITING = int(os.environ.get("ISTHMUS_BENCH_WAITING", "100000"))
_DAYS = 30
_MAKE = "select inbound_days.make(current_date - $1::integer, current_date + 1)"
# Numbered within their days, the newest of them waiting for another attempt in some hours.
_INBOX = """
with given as (
  select 'dlv' || n as key, current_date - (n % $3::bigint)::integer - 1 as day, n <= $4::bigint as waiting,
    'inb_' || substr(inbound_days.floor(current_date - (n % $3::bigint)::integer - 1), 5, 10)
      || lpad(n::text, 16, '0') as id
  from generate_series(1, $5::bigint) n
)
insert into webhook_inbox (tenant_id, id, source_id, provider, received_at, request_id, address, method, query,
  headers, body, verdict, topic, event, entity, account, object, simulated, state, attempts, next_at, done_at)
select $1, id, $2, 'github', day, 'req', '203.0.113.7', 'POST', '', jsonb_build_object('user-agent', 'x'),
  convert_to(repeat(md5(key), 32), 'UTF8'), jsonb_build_object('accepted', true, 'reason', 'ok'), 'issues',
  'github.issues', '', '', key, false, case when waiting then 'waiting' else 'done' end, 1,
  case when waiting then now() + interval '6 hours' end, day
from given
"""
_TASKS = """
insert into webhook_tasks (tenant_id, delivery_id, handler, key, priority, gated, state, attempts, next_at, done_at)
select tenant_id, id, 'hdl_past', source_id || '/hdl_past', 100, false, state, 1, next_at, done_at from webhook_inbox
where tenant_id = $1 and object like 'dlv%'
"""
_SEEN = """
insert into webhook_seen (digest, at)
select decode(md5(n::text), 'hex'), now() - interval '1 day' from generate_series(1, $1::bigint) n
"""
_LEFT = """
select 'deliveries to be routed' as what, count(*) as n from webhook_inbox where state = 'received'
union all
select 'tasks', count(*) from webhook_tasks
where state in ('waiting', 'handling') and next_at <= now() + interval '1 minute'
union all
select 'wake-ups', count(*) from queue.pgqueuer where status in ('queued', 'picked') and execute_after <= now()
"""
_STEP = 20_000
_OUT = (
    """
    insert into events (tenant_id, id, type, subject, at, public, audited, body, actor, day)
    select 'ten_old', 'evt_' || lpad(n::text, 26, '0'), 'bench.stored', 'obj', now() - interval '3 days', true, false,
      jsonb_build_object('n', n, 'pad', repeat('x', 200)), 'bench', current_date - n % 2
    from generate_series($1::int, $2::int) n
    """,
    """
    insert into webhook_deliveries (tenant_id, id, number, endpoint_id, event_id, type, state, attempts, next_at,
      last_status, created_at, done_at)
    select 'ten_old', 'dlv_' || lpad(n::text, 26, '0'), nextval('webhook_numbers'), 'whe_' || n % 50,
      'evt_' || lpad(n::text, 26, '0'), 'bench.stored', case when n % 10 = 0 then 'pending' else 'delivered' end, 1,
      case when n % 10 = 0 then now() + interval '2 hours' + n * interval '1 ms' end, 503, now() - interval '3 days',
      case when n % 10 > 0 then now() - interval '3 days' end
    from generate_series($1::int, $2::int) n
    """,
    """
    insert into webhook_attempts (tenant_id, delivery_id, id, until, trigger, at, url, address, signed_at, signature,
      status, response_headers, response, duration_ms)
    select 'ten_old', 'dlv_' || lpad(n::text, 26, '0'), 'att_' || lpad(n::text, 26, '0'), current_date + 20, 'schedule',
      now() - interval '3 days', 'https://old.test/hook', '192.0.2.1', 1, 'v1,', 503, '{}', '', 12
    from generate_series($1::int, $2::int) n
    """,
    """
    insert into webhook_due (shard, at, number, tenant_id, endpoint_id, delivery_id, attempts)
    select number % 16, next_at, number, tenant_id, endpoint_id, id, 1 from webhook_deliveries
    where tenant_id = 'ten_old' and state = 'pending'
      and id between 'dlv_' || lpad($1::int::text, 26, '0') and 'dlv_' || lpad($2::int::text, 26, '0')
    """,
)


async def fill(system: System, tenant_id: str, source_id: str, stored: int = STORED, waiting: int = WAITING) -> None:
    """A month of deliveries with their tasks, some of which wait for another attempt, and the ledger of them."""
    async with system.tx() as tx:
        await tx.fetch_sql(_MAKE, _DAYS + 1)
        connection = await tx.connection()
        # a million rows take a slow machine longer than a statement of a request may take
        await connection.execute("set local statement_timeout = 0")
        await connection.execute(_INBOX, tenant_id, source_id, _DAYS, waiting, stored, timeout=1_800)
        await connection.execute(_TASKS, tenant_id, timeout=1_800)
        await connection.execute(_SEEN, stored, timeout=1_800)


async def calm(system: System) -> None:
    """Have what was filled in vacuumed, counted and on the disk, so that nobody begins with that a while later."""
    admin = await connect(system.engine.database.url.replace(room.SERVICE, room.ADMIN), command_timeout=1_800)
    try:
        for statement in ("vacuum analyze", "checkpoint"):
            await admin.execute(statement)
    finally:
        await admin.close()


async def left(system: System) -> dict[str, int]:
    """How much a worker has still to do, by what it is."""
    async with system.tx() as tx:
        return {row["what"]: row["n"] for row in await tx.fetch_sql(_LEFT) if row["n"]}


async def fill_out(system: System, stored: int = STORED, *, behind: int = 0) -> None:
    """Events that were delivered, and a tenth of them that waits for its next attempt; of a tenant of their own.

    behind: how many of them are there already.
    """
    for statement in _OUT:
        for start in range(behind, stored, _STEP):
            async with system.tx() as tx:
                await tx.fetch_sql(statement, start + 1, min(start + _STEP, stored))


@contextlib.asynccontextmanager
async def held(system: System) -> AsyncIterator[None]:
    """A transaction that sees everything as it is now, for as long as this lasts."""
    async with system.tx() as tx:
        connection = await tx.connection()
        await connection.execute("set transaction isolation level repeatable read")
        await connection.execute("set local idle_in_transaction_session_timeout = 0")
        await tx.fetch_sql("select count(id) as n from webhook_sources")
        yield
