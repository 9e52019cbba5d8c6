"""Tenant integrations, connections of users, connect sessions."""

from alembic import op

from isthmus.engine.db.migrations.ddl import fill, protect

revision = "0014"
down_revision: str | None = "0013"
branch_labels = None
depends_on = None

_INTEGRATIONS = (
    "category text not null default 'custom'",
    "description text not null default ''",
    "icon text",
    "allowed_types text[] not null default '{}'",
    "search_enabled boolean not null default true",
    "searchable text[] not null default '{}'",
    "user_scoped boolean not null default false",
    "allowed_roles text[] not null default '{}'",
    "allowed_users text[] not null default '{}'",
    "proxy_enabled boolean not null default false",
    "enabled boolean not null default true",
    "enabled_at timestamptz",
    "enabled_by text",
    "last_sync_at timestamptz",
    "types_changed_at timestamptz",
)
_CONNECTIONS = (
    "user_id text",
    "owner_id text",
    "connected_at timestamptz",
    "previous_credentials bytea",
    "previous_until timestamptz",
    "next_test_at timestamptz",
    "test_failures integer not null default 0",
    "test_error text",
)
_TABLES = (
    "create index integrations_name on integrations (tenant_id, lower(name))",
    "create index connections_owner on connections (owner_id, tenant_id) where owner_id is not null",
    """
    create unique index connections_person on connections (tenant_id, integration_id, owner_id)
    where owner_id is not null
    """,
    "create index connections_test on connections (next_test_at)",
    "create index connections_overlap on connections (previous_until) where previous_until is not null",
    """
    create table integration_counts (
      tenant_id text not null,
      provider text not null,
      state text not null,
      total bigint not null,
      primary key (tenant_id, provider, state)
    )
    """,
    """
    create table connect_sessions (
      tenant_id text not null,
      id text not null,
      token_hash bytea not null,
      integration_id text not null,
      origin text not null,
      return_url text,
      principal jsonb not null,
      created_by text not null,
      state text not null,
      tries integer not null,
      connection_id text,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, integration_id) references integrations (tenant_id, id) on delete cascade
    )
    """,
    """
    create table hidden_records (
      tenant_id text not null,
      connection_id text not null,
      shard_type text not null,
      primary key (tenant_id, connection_id, shard_type)
    )
    """,
    "create unique index connect_sessions_token on connect_sessions (token_hash)",
    "create index connect_sessions_expiry on connect_sessions (expires_at)",
)
_NAMES = ("integration_counts", "connect_sessions", "hidden_records")

# In the order of the states, whatever the move: two moves in opposite directions never wait for each other in a ring.
_COUNT = """
create function count_integrations() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.status = new.status and old.enabled = new.enabled and old.provider = new.provider then
    return null;
  end if;
  insert into integration_counts as c (tenant_id, provider, state, total)
  select m.tenant_id, m.provider, m.state, sum(m.change) from (
    select old.tenant_id, old.provider, case when old.enabled then old.status else 'disabled' end, -1
      where tg_op <> 'INSERT'
    union all
    select new.tenant_id, new.provider, case when new.enabled then new.status else 'disabled' end, 1
      where tg_op <> 'DELETE'
  ) as m (tenant_id, provider, state, change)
  group by m.tenant_id, m.provider, m.state having sum(m.change) <> 0
  order by m.provider, m.state
  on conflict (tenant_id, provider, state) do update set total = c.total + excluded.total;
  return null;
end
$$
"""
_TRIGGER = """
create trigger integrations_counted after insert or update or delete on integrations
for each row execute function count_integrations()
"""
_FILL = (
    """
    insert into integration_counts (tenant_id, provider, state, total)
    select tenant_id, provider, status, count(*) from integrations group by 1, 2, 3
    """,
    "update integrations set enabled_at = created_at",
    "update connections set connected_at = created_at where token_version > 0",
    """
    update connections set next_test_at = now() + random() * interval '6 hours'
    where status in ('connected', 'error')
    """,
)


def upgrade() -> None:
    """Widen the tables, and create those of counts and connect sessions."""
    op.execute("alter table integrations " + ", ".join(f"add column {one}" for one in _INTEGRATIONS))
    op.execute("alter table connections " + ", ".join(f"add column {one}" for one in _CONNECTIONS))
    for table in _TABLES:
        op.execute(table)
    for name in _NAMES:
        protect(op, name)
    for statement in _FILL:
        fill(op, statement)
    op.execute(_COUNT)
    op.execute(_TRIGGER)


def downgrade() -> None:
    """Drop what was added."""
    op.execute("drop trigger integrations_counted on integrations")
    op.execute("drop function count_integrations()")
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
    for name in (
        "connections_owner",
        "connections_person",
        "connections_test",
        "connections_overlap",
        "integrations_name",
    ):
        op.execute(f"drop index {name}")
    for table, columns in (("connections", _CONNECTIONS), ("integrations", _INTEGRATIONS)):
        op.execute(f"alter table {table} " + ", ".join(f"drop column {one.split()[0]}" for one in columns))
