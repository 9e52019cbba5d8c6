"""Tables of outbound webhooks."""

from alembic import op

from isthmus.engine.db.migrations.ddl import fill, protect, share

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NAMES = (
    "webhook_endpoints",
    "webhook_deliveries",
    "webhook_attempts",
    "webhook_recoveries",
    "webhook_event_types",
    "webhook_due",
)
_STATEMENTS = (
    """
    create table webhook_endpoints (
      tenant_id text not null,
      id text not null,
      url text not null,
      description text not null,
      types jsonb not null,
      conditions jsonb not null,
      scheme text not null,
      public_key text,
      secret bytea not null,
      previous_secret bytea,
      previous_until timestamptz,
      secret_version integer not null,
      headers bytea,
      header_names jsonb not null,
      rate integer not null,
      concurrency integer not null,
      ordered boolean not null,
      state text not null,
      state_reason text,
      health text not null,
      failures integer not null default 0,
      first_failure_at timestamptz,
      last_failure_at timestamptz,
      last_success_at timestamptz,
      last_error text,
      latency_ms double precision not null default 0,
      delivered bigint not null default 0,
      failed bigint not null default 0,
      head bigint,
      backlog bigint,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    """
    create table webhook_deliveries (
      tenant_id text not null,
      id text not null,
      number bigint not null,
      endpoint_id text not null,
      event_id text not null,
      type text not null,
      state text not null,
      attempts integer not null default 0,
      next_at timestamptz,
      last_status integer,
      last_error text,
      created_at timestamptz not null,
      done_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    "create index webhook_deliveries_endpoint on webhook_deliveries (endpoint_id, number)",
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
    """,
    """
    create table webhook_recoveries (
      tenant_id text not null,
      id text not null,
      endpoint_id text not null,
      since timestamptz not null,
      until timestamptz not null,
      state text not null,
      place bigint not null default 0,
      found bigint not null default 0,
      created_at timestamptz not null,
      done_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    """
    create table webhook_event_types (
      tenant_id text not null,
      id text not null,
      description text not null,
      schema jsonb not null,
      created_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    """
    create table webhook_due (
      shard smallint not null,
      at timestamptz not null,
      number bigint not null,
      tenant_id text not null,
      endpoint_id text not null,
      delivery_id text not null,
      attempts integer not null,
      primary key (shard, at, number)
    )
    """,
    """
    create table webhook_shards (
      shard smallint not null,
      owner text,
      epoch bigint not null default 0,
      until timestamptz not null,
      primary key (shard)
    )
    """,
    # In the order of the event log, because one transaction at a time reads it for deliveries.
    "create sequence webhook_numbers",
    "grant usage on sequence webhook_numbers to isthmus_tenant, isthmus_system",
    # The due table lives for minutes and is written all the time.
    "alter table webhook_due set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)",
    "alter table webhook_deliveries set (fillfactor = 85)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for name in _NAMES:
        protect(op, name)
    share(op, "webhook_shards")
    fill(op, "insert into webhook_shards (shard, until) select n, '-infinity' from generate_series(0, 15) n")


def downgrade() -> None:
    """Drop the tables."""
    for name in ("webhook_shards", *reversed(_NAMES)):
        op.execute(f"drop table {name}")
    op.execute("drop sequence webhook_numbers")
