"""Inbound deliveries and their timelines by day; tenants whose deliveries wait.

The day stands in the key: ids begin with their time. What is there already becomes the partition of all days up to the
newest of it, as it stands, so that nothing is copied however much there is.
"""

from alembic import op

from isthmus.engine.db.migrations.ddl import SYSTEM, fill, protect

revision = "0020"
down_revision: str | None = "0019"
branch_labels = None
depends_on = None

#: The tables, with the column that holds the delivery's id.
_TABLES = {"webhook_inbox": "id", "webhook_steps": "delivery_id"}
_INDEXES = (
    "create index webhook_inbox_received on webhook_inbox (source_id, id) where state = 'received'",
    "create index webhook_inbox_connection on webhook_inbox (connection_id, id) where connection_id is not null",
)
# As `isthmus.kit.ids.floor("inb", ...)`: milliseconds in ten letters, then the least random part.
_FLOOR = """
create function inbound_days.floor(day date) returns text language sql immutable set search_path = pg_catalog as $$
  select 'inb_' || string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
    (((extract(epoch from day::timestamp)::bigint * 1000) >> (45 - 5 * n)) & 31)::integer + 1, 1), '' order by n)
    || repeat('0', 16)
  from generate_series(0, 9) n
$$
"""
# The service may neither make nor drop tables. These functions do both for the days of two tables and nothing else;
# their owner stands behind the forced policies like everybody, so that they open no way to anybody's rows.
_MAKE = """
create function inbound_days.make(first date, last date) returns integer
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '3s' as $$
declare
  day date;
  name text;
  kind text;
  parent text;
  changed integer := 0;
begin
  if last - first > 500 then
    raise exception 'too many days';
  end if;
  perform pg_advisory_xact_lock(hashtext('inbound_days'));
  for day in select d::date from generate_series(first, last, interval '1 day') d loop
    for kind, parent in values ('inbox', 'webhook_inbox'), ('steps', 'webhook_steps') loop
      name := kind || '_' || to_char(day, 'YYYYMMDD');
      if to_regclass('inbound_days.' || name) is null then
        begin
          execute format('create table inbound_days.%I (like public.%I including defaults)', name, parent);
          execute format('alter table inbound_days.%I enable row level security', name);
          execute format('alter table inbound_days.%I force row level security', name);
          -- Attaching locks the parent less than making a partition does.
          execute format('alter table public.%I attach partition inbound_days.%I for values from (%L) to (%L)',
            parent, name, inbound_days.floor(day), inbound_days.floor(day + 1));
          changed := changed + 1;
        exception when invalid_object_definition then
          -- A partition of several days has this one too.
        end;
      end if;
    end loop;
  end loop;
  return changed;
end
$$
"""
# Whoever takes a delivery in stands behind a drop that waits for a reader; so it hardly waits, and goes next time.
_REMOVE = """
create function inbound_days.remove(day date) returns boolean
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '50ms' as $$
begin
  perform pg_advisory_xact_lock(hashtext('inbound_days'));
  execute format('drop table if exists inbound_days.%I', 'steps_' || to_char(day, 'YYYYMMDD'));
  execute format('drop table if exists inbound_days.%I', 'inbox_' || to_char(day, 'YYYYMMDD'));
  return true;
exception when lock_not_available then
  return false;
end
$$
"""
_RIGHTS = (
    "revoke all on function inbound_days.make(date, date) from public",
    "revoke all on function inbound_days.remove(date) from public",
    f"grant usage on schema inbound_days to {SYSTEM}",
    f"grant execute on function inbound_days.make(date, date) to {SYSTEM}",
    f"grant execute on function inbound_days.remove(date) to {SYSTEM}",
)
# Row-level security is forced on the owner too, so the newest id is read as the system.
_KEEP = """
do $$
declare
  newest text;
  final date := current_date;
begin
  set local role isthmus_system;
  select greatest((select max(id) from inbound_days.webhook_inbox),
    (select max(delivery_id) from inbound_days.webhook_steps)) into newest;
  set local role none;
  if newest is null then
    drop table inbound_days.webhook_inbox, inbound_days.webhook_steps;
    return;
  end if;
  while inbound_days.floor(final + 1) <= newest and final < current_date + 4000 loop
    final := final + 1;
  end loop;
  execute format('alter table inbound_days.webhook_inbox rename to %I', 'inbox_' || to_char(final, 'YYYYMMDD'));
  execute format('alter table inbound_days.webhook_steps rename to %I', 'steps_' || to_char(final, 'YYYYMMDD'));
  execute format('alter table webhook_inbox attach partition inbound_days.%I for values from (minvalue) to (%L)',
    'inbox_' || to_char(final, 'YYYYMMDD'), inbound_days.floor(final + 1));
  execute format('alter table webhook_steps attach partition inbound_days.%I for values from (minvalue) to (%L)',
    'steps_' || to_char(final, 'YYYYMMDD'), inbound_days.floor(final + 1));
end
$$
"""
_SINCE = """
update webhook_mail m set since = (
  select min(i.id) from webhook_inbox i
  where i.tenant_id = m.tenant_id and i.source_id = m.source_id and i.state = 'received'
)
"""
_HALTS = """
create table webhook_halts (
  tenant_id text not null,
  since timestamptz not null,
  primary key (tenant_id)
)
"""
_HALTED = "insert into webhook_halts (tenant_id, since) select id, now() from tenants where status = 'suspended'"
# A partition of its own has no way in but its parent.
_CLOSE = """
do $$
declare
  name text;
begin
  for name in select c.relname from pg_class c where c.relnamespace = 'inbound_days'::regnamespace and c.relkind = 'r'
  loop
    execute format('drop policy tenant on inbound_days.%I', name);
    execute format('drop policy system on inbound_days.%I', name);
    execute format('revoke all on inbound_days.%I from isthmus_tenant, isthmus_system', name);
  end loop;
end
$$
"""
_AT = "create index webhook_inbox_at on webhook_inbox using brin (received_at)"
_BACK = {
    "webhook_inbox": ("primary key (tenant_id, id)", (*_INDEXES, _AT)),
    "webhook_steps": ("primary key (tenant_id, delivery_id, id)", ()),
}
_CARRY = {
    "webhook_inbox": """
    insert into webhook_inbox (tenant_id, id, source_id, provider, received_at, request_id, address, method, query,
      headers, body, verdict, topic, event, entity, account, object, occurred_at, simulated, connection_id, state,
      attempts, next_at, reason, run_id, replays, done_at, rehearsed)
    select tenant_id, id, source_id, provider, received_at, request_id, address, method, query, headers, body, verdict,
      topic, event, entity, account, object, occurred_at, simulated, connection_id, state, attempts, next_at, reason,
      run_id, replays, done_at, rehearsed
    from inbound_days.webhook_inbox
    """,
    "webhook_steps": """
    insert into webhook_steps (tenant_id, delivery_id, id, at, what, outcome, message, run_id)
    select tenant_id, delivery_id, id, at, what, outcome, message, run_id from inbound_days.webhook_steps
    """,
}


def upgrade() -> None:
    """Let the tables be made of days; what is kept stays where it is."""
    op.execute("create schema inbound_days")
    for statement in (_FLOOR, _MAKE, _REMOVE, *_RIGHTS):
        op.execute(statement)
    op.execute("drop index webhook_inbox_at")
    for table, column in _TABLES.items():
        old = f"inbound_days.{table}"
        op.execute(f"alter table {table} set schema inbound_days")
        columns = f"like {old} including defaults"
        op.execute(f"create table {table} ({columns}) partition by range ({column})")
    op.execute("alter table webhook_inbox add primary key (tenant_id, id)")
    op.execute("alter table webhook_steps add primary key (tenant_id, delivery_id, id)")
    for statement in _INDEXES:
        op.execute(statement)
    op.execute(_KEEP)
    for table in _TABLES:
        protect(op, table)
    op.execute(_CLOSE)
    op.execute("select inbound_days.make(current_date - 1, current_date + 4)")
    op.execute("alter table webhook_mail add column since text")
    fill(op, _SINCE)
    op.execute(_HALTS)
    protect(op, "webhook_halts")
    fill(op, _HALTED)


def downgrade() -> None:
    """One table each again, with the rows that are kept."""
    op.execute("drop table webhook_halts")
    op.execute("alter table webhook_mail drop column since")
    for table, (key, indexes) in _BACK.items():
        op.execute(f"alter table {table} set schema inbound_days")
        op.execute(f"create table {table} (like inbound_days.{table} including defaults, {key})")
        protect(op, table)
        fill(op, _CARRY[table])
        for statement in indexes:
            op.execute(statement)
    op.execute("drop schema inbound_days cascade")
