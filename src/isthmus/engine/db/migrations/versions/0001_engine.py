"""Roles, extensions and the engine's own tables."""

from alembic import op

from isthmus.engine.db import queue_objects
from isthmus.engine.db.migrations.ddl import protect, share

revision = "0001"
down_revision: str | None = None

_ROLES = """
do $$
declare
  wanted text;
  account text;
  options text := case when current_setting('server_version_num')::int >= 160000
                       then ' with inherit false, set true' else '' end;
begin
  foreach wanted in array array['isthmus_tenant', 'isthmus_system'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin noinherit', wanted);
    end if;
    foreach account in array array[session_user::text, 'isthmus_service'] loop
      if exists (select from pg_roles where rolname = account and not rolsuper)
         and not exists (
           select from pg_auth_members m
           where m.roleid = wanted::regrole and m.member = account::regrole
             and (options = '' or coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)))
      then
        execute format('grant %I to %I', wanted, account) || options;
      end if;
    end loop;
  end loop;
end $$
"""

_DATABASE_RIGHTS = """
do $$
begin
  if pg_has_role(session_user, (select datdba from pg_database where datname = current_database()), 'usage') then
    execute format('revoke all on database %I from public', current_database());
    if exists (select from pg_roles where rolname = 'isthmus_service') then
      execute format('grant connect on database %I to isthmus_service', current_database());
    end if;
  end if;
end $$
"""

_TABLES = (
    """
    create table events (
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
      after jsonb,
      primary key (tenant_id, id)
    )
    """,
    "create index events_xid_id_idx on events (xid, id)",
    "create index events_tenant_id_xid_id_idx on events (tenant_id, xid, id)",
    """
    create table bus_cursors (
      listener text not null primary key,
      xid xid8 not null,
      id text not null,
      moved_at timestamptz not null default now()
    )
    """,
    """
    create table idempotency_keys (
      tenant_id text not null,
      principal text not null,
      route text not null,
      key text not null,
      fingerprint bytea not null,
      created_at timestamptz not null,
      status integer,
      headers jsonb,
      body bytea,
      primary key (tenant_id, principal, route, key)
    )
    """,
    "create index idempotency_keys_created_at_idx on idempotency_keys (created_at)",
    """
    create unlogged table budget_windows (
      key text not null primary key,
      state jsonb not null,
      used_at timestamptz not null default now()
    )
    """,
)


_QUEUE_RIGHTS = (
    "grant usage on schema queue to isthmus_tenant, isthmus_system",
    "grant insert (priority, entrypoint, payload, execute_after, status) on queue.pgqueuer to isthmus_tenant",
    "grant usage on sequence queue.pgqueuer_id_seq to isthmus_tenant",
    "grant select, insert, update, delete on all tables in schema queue to isthmus_system",
    "grant usage on all sequences in schema queue to isthmus_system",
)


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    op.execute("create extension if not exists unaccent")
    op.execute(_ROLES)
    op.execute(_DATABASE_RIGHTS)
    op.execute("create domain tenant_key as text constraint tenant_is_set check (value <> '')")
    for table in _TABLES:
        op.execute(table)
    protect(op, "events", append_only=True)
    protect(op, "idempotency_keys")
    share(op, "bus_cursors")
    share(op, "budget_windows")
    share(op, "alembic_version", system="select")
    op.execute(queue_objects.schema())
    for right in _QUEUE_RIGHTS:
        op.execute(right)
