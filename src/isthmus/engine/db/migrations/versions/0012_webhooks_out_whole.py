"""Retention by day, versions of event types, and fair shares of outbound webhooks."""

from alembic import op

from isthmus.engine.db.migrations.ddl import SYSTEM, fill, protect, share

revision = "0012"
down_revision: str | None = "0011"
branch_labels = None
depends_on = None

_ATTEMPTS = """
create table webhook_attempts (
  tenant_id text not null,
  delivery_id text not null,
  id text not null,
  until date not null,
  trigger text not null,
  at timestamptz not null,
  url text not null,
  address text,
  signed_at bigint not null,
  signature text not null,
  header_names jsonb,
  status integer,
  response_headers jsonb,
  response bytea,
  duration_ms integer,
  error text,
  primary key (tenant_id, delivery_id, id, until)
) partition by range (until)
"""
# The service may neither make nor drop tables. This function does both for the days of one table and nothing else; its
# owner stands behind the forced policies like everybody, so that it opens no way to anybody's rows.
_DAYS = """
create function webhook_days.keep(first date, last date) returns integer
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '3s' as $$
declare
  day date;
  name text;
  changed integer := 0;
begin
  if last - first > 500 then
    raise exception 'too many days';
  end if;
  perform pg_advisory_xact_lock(hashtext('webhook_days'));
  for name in select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'webhook_days' and c.relkind = 'r' and c.relname < 'attempts_' || to_char(first, 'YYYYMMDD')
  loop
    begin
      execute format('drop table webhook_days.%I', name);
      changed := changed + 1;
    exception when lock_not_available then
      -- Somebody reads or writes just now: it goes next time.
    end;
  end loop;
  for day in select d::date from generate_series(first, last, interval '1 day') d loop
    name := 'attempts_' || to_char(day, 'YYYYMMDD');
    if to_regclass('webhook_days.' || name) is null then
      execute format('create table webhook_days.%I (like public.webhook_attempts including defaults)', name);
      execute format('alter table webhook_days.%I enable row level security', name);
      execute format('alter table webhook_days.%I force row level security', name);
      -- Attaching locks the parent less than making a partition does.
      execute format('alter table public.webhook_attempts attach partition webhook_days.%I '
        'for values from (%L) to (%L)', name, day, day + 1);
      changed := changed + 1;
    end if;
  end loop;
  return changed;
end
$$
"""
_RIGHTS = (
    "revoke all on function webhook_days.keep(date, date) from public",
    f"grant usage on schema webhook_days to {SYSTEM}",
    f"grant execute on function webhook_days.keep(date, date) to {SYSTEM}",
)
_TABLES = (
    """
    create table webhook_retention (
      tenant_id text not null,
      days integer not null,
      changed_at timestamptz not null,
      primary key (tenant_id)
    )
    """,
    """
    create table webhook_workers (
      owner text not null,
      until timestamptz not null,
      primary key (owner)
    )
    """,
)
_COLUMNS = (
    "alter table webhook_event_types add column version integer not null default 1",
    "alter table webhook_deliveries add column trigger text not null default 'schedule'",
    "alter table webhook_endpoints add column maker text not null default ''",
    # Every delivery is changed once at least, and finds room for that beside it.
    "alter table webhook_deliveries set (fillfactor = 55)",
    "alter table webhook_endpoints set (fillfactor = 50)",
)
_CARRY = """
insert into webhook_attempts (tenant_id, delivery_id, id, until, trigger, at, url, signed_at, signature, status,
  response_headers, response, duration_ms, error)
select tenant_id, delivery_id, id, current_date + 31, trigger, at, url,
  coalesce((request_headers ->> 'webhook-timestamp')::bigint, 0),
  coalesce(request_headers ->> 'webhook-signature', ''), status, response_headers, response, duration_ms, error
from webhook_attempts_before
"""


def upgrade() -> None:
    """Create the tables; attempts that are kept move over."""
    op.execute("alter table webhook_attempts rename to webhook_attempts_before")
    op.execute(
        "alter table webhook_attempts_before rename constraint webhook_attempts_pkey to webhook_attempts_before_pkey"
    )
    op.execute(_ATTEMPTS)
    protect(op, "webhook_attempts")
    op.execute("create schema webhook_days")
    for statement in (_DAYS, *_RIGHTS):
        op.execute(statement)
    op.execute("select webhook_days.keep(current_date, current_date + 34)")
    fill(op, _CARRY)
    op.execute("drop table webhook_attempts_before")
    for statement in (*_TABLES, *_COLUMNS):
        op.execute(statement)
    protect(op, "webhook_retention")
    share(op, "webhook_workers")


def downgrade() -> None:
    """Drop the tables; attempts are not carried back."""
    op.execute("alter table webhook_event_types drop column version")
    op.execute("alter table webhook_deliveries drop column trigger")
    op.execute("alter table webhook_endpoints drop column maker")
    op.execute("alter table webhook_deliveries set (fillfactor = 85)")
    op.execute("alter table webhook_endpoints reset (fillfactor)")
    for name in ("webhook_workers", "webhook_retention", "webhook_attempts"):
        op.execute(f"drop table {name}")
    op.execute("drop schema webhook_days cascade")
    op.execute(
        """
        create table webhook_attempts (
          tenant_id text not null,
          delivery_id text not null,
          id text not null,
          trigger text not null,
          at timestamptz not null,
          url text not null,
          request_headers jsonb not null,
          status integer,
          response_headers jsonb,
          response bytea,
          duration_ms integer,
          error text,
          primary key (tenant_id, delivery_id, id)
        )
        """
    )
    protect(op, "webhook_attempts")
