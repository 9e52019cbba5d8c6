"""Events lie in days, which go whole; for how long each tenant wants them kept; and notices about endpoints."""

from alembic import op

from isthmus.engine.db.migrations.ddl import SYSTEM, fill, protect, share

revision = "0021"
down_revision: str | None = "0020"
branch_labels = None
depends_on = None

_COLUMNS = """
  tenant_id text not null,
  id text not null,
  xid xid8 not null default pg_current_xact_id(),
  type text not null,
  subject text not null,
  at timestamptz not null,
  public boolean not null,
  audited boolean not null,
  body jsonb not null,
  actor text not null,
  address text,
  request_id text,
  before jsonb,
  after jsonb
"""
_INDEXES = (
    "create index events_xid_id_idx on events (xid, id)",
    "create index events_tenant_id_xid_id_idx on events (tenant_id, xid, id)",
    "create index events_audited_idx on events (tenant_id, id) where audited",
    "create index events_sealing_idx on events (xid, id) where audited",
)
#: What is audited goes only with a tenant that is being deleted, whatever the statement says; the rest when it is old.
_ERASE = f"""
create policy erasure on events as restrictive for delete to {SYSTEM}
  using (not audited or exists (select from tenants t where t.id = events.tenant_id and t.status = 'deleting'))
"""
# The day of a row is the database's own, so that no other clock decides where it lies. What is audited has no day on
# which it could go. Where nobody made a day in time, its rows lie in `rest` and go one by one.
_PARTS = (
    "create schema event_days",
    "create table event_days.kept partition of events for values from ('infinity') to (maxvalue)",
    "create table event_days.rest partition of events default",
)
# The service may neither make nor drop tables. This function does both for the days of one table and nothing else; its
# owner stands behind the forced policies like everybody, so that it opens no way to anybody's rows.
_DAYS = """
create function event_days.keep(first date, last date) returns integer
language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC'
  set lock_timeout = '300ms' as $$
declare
  day date;
  name text;
  changed integer := 0;
begin
  if last - current_date > 500 or first > current_date then
    raise exception 'too many days';
  end if;
  perform pg_advisory_xact_lock(hashtext('event_days'));
  for name in select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'event_days' and c.relkind = 'r' and c.relname like 'day\\_%'
      and c.relname < 'day_' || to_char(first, 'YYYYMMDD') order by c.relname
  loop
    begin
      execute format('drop table event_days.%I', name);
      changed := changed + 1;
    exception when lock_not_available then
      -- Somebody reads just now, and nobody who writes shall wait behind this: it goes next time.
      exit;
    end;
  end loop;
  for day in select d::date from generate_series(greatest(first, current_date - 1), last, interval '1 day') d loop
    name := 'day_' || to_char(day, 'YYYYMMDD');
    if to_regclass('event_days.' || name) is null then
      begin
        execute format('create table event_days.%I (like public.events including defaults)', name);
        execute format('alter table event_days.%I enable row level security', name);
        execute format('alter table event_days.%I force row level security', name);
        -- Attaching locks the parent less than making a partition does.
        execute format('alter table public.events attach partition event_days.%I '
          'for values from (%L) to (%L)', name, day, day + 1);
        changed := changed + 1;
      exception
        when lock_not_available then
          -- As above: days are made well ahead.
          exit;
        when check_violation then
          -- Its first rows came before it was made: they lie in the rest, and so does what follows of this day.
      end;
    end if;
  end loop;
  return changed;
end
$$
"""
_INTO_DAYS = """
insert into events (tenant_id, id, xid, type, subject, at, public, audited, body, actor, address, request_id, before,
  after, day)
select tenant_id, id, xid, type, subject, at, public, audited, body, actor, address, request_id, before, after,
  case when audited then 'infinity' else (at at time zone 'utc')::date end
from events_before
"""
_BACK = """
insert into events (tenant_id, id, xid, type, subject, at, public, audited, body, actor, address, request_id, before,
  after)
select tenant_id, id, xid, type, subject, at, public, audited, body, actor, address, request_id, before, after
from events_before
"""
_RIGHTS = (
    "revoke all on function event_days.keep(date, date) from public",
    f"grant usage on schema event_days to {SYSTEM}",
    f"grant execute on function event_days.keep(date, date) to {SYSTEM}",
)
_TABLES = (
    """
    create table event_retention (
      tenant_id text not null,
      days integer not null,
      changed_at timestamptz not null,
      primary key (tenant_id)
    )
    """,
    """
    create table bus_days (
      day date not null,
      xid xid8 not null,
      primary key (day)
    )
    """,
    "alter table bus_cursors add column missing_since timestamptz",
    "alter table webhook_endpoints add column parked_at timestamptz",
    "alter table webhook_endpoints add column untold boolean not null default false",
    "delete from bus_cursors where listener = 'engine.prune'",
)


def _away() -> None:
    """The table as it was, under another name, so that its own names are free."""
    op.execute("alter table events rename to events_before")
    op.execute("alter table events_before rename constraint events_pkey to events_before_pkey")
    for name in ("events_xid_id_idx", "events_tenant_id_xid_id_idx", "events_audited_idx", "events_sealing_idx"):
        op.execute(f"drop index {name}")


def _wall() -> None:
    protect(op, "events", append_only=True)
    op.execute(_ERASE)
    op.execute(f"grant delete on events to {SYSTEM}")


def upgrade() -> None:
    """Put what is there into days."""
    _away()
    op.execute(
        f"create table events ({_COLUMNS}, day date not null default 'infinity', primary key (tenant_id, id, day))"
        " partition by range (day)"
    )
    for statement in (*_INDEXES, *_PARTS):
        op.execute(statement)
    for part in ("kept", "rest"):
        op.execute(f"alter table event_days.{part} enable row level security")
        op.execute(f"alter table event_days.{part} force row level security")
    _wall()
    for statement in (_DAYS, *_RIGHTS, *_TABLES):
        op.execute(statement)
    protect(op, "event_retention")
    share(op, "bus_days", tenant="select")
    # What is older than the days that are made lies in the rest.
    op.execute("select event_days.keep(null, current_date + 3)")
    fill(op, _INTO_DAYS)
    op.execute("drop table events_before")


def downgrade() -> None:
    """One table again."""
    _away()
    op.execute(f"create table events ({_COLUMNS}, primary key (tenant_id, id))")
    for statement in _INDEXES:
        op.execute(statement)
    _wall()
    fill(op, _BACK)
    op.execute("drop table events_before")
    op.execute("drop schema event_days cascade")
    op.execute("drop table bus_days")
    op.execute("drop table event_retention")
    op.execute("alter table bus_cursors drop column missing_since")
    op.execute("alter table webhook_endpoints drop column parked_at, drop column untold")
