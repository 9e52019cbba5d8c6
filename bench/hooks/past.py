"""A past of inbound deliveries, written set by set, and a snapshot of it that is never let go."""

import contextlib
import os
from collections.abc import AsyncIterator

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


async def fill(system: System, tenant_id: str, source_id: str, stored: int = STORED, waiting: int = WAITING) -> None:
    """A month of deliveries with their tasks, some of which wait for another attempt, and the ledger of them."""
    async with system.tx() as tx:
        await tx.fetch_sql(_MAKE, _DAYS + 1)
        connection = await tx.connection()
        await connection.execute(_INBOX, tenant_id, source_id, _DAYS, waiting, stored, timeout=1_800)
        await connection.execute(_TASKS, tenant_id, timeout=1_800)
        await connection.execute(_SEEN, stored, timeout=1_800)


@contextlib.asynccontextmanager
async def held(system: System) -> AsyncIterator[None]:
    """A transaction that sees everything as it is now, for as long as this lasts."""
    async with system.tx() as tx:
        connection = await tx.connection()
        await connection.execute("set transaction isolation level repeatable read")
        await connection.execute("set local idle_in_transaction_session_timeout = 0")
        await tx.fetch_sql("select count(id) as n from webhook_sources")
        yield
