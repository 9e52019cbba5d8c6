"""Subscriptions, pull sources and handlers of inbound webhooks."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0011"
down_revision: str | None = "0010"
branch_labels = None
depends_on = None

_NAMES = ("webhook_handlers", "webhook_tasks", "webhook_subscriptions", "webhook_enrolments")
_OPEN = "state in ('waiting', 'handling')"
_STATEMENTS = (
    """
    create table webhook_handlers (
      tenant_id text not null,
      id text not null,
      name text not null,
      action text not null,
      source_id text,
      pattern text not null,
      priority integer not null,
      filter text,
      transform text,
      retries jsonb,
      ordered_by text,
      paused boolean not null,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      constraint webhook_handlers_source foreign key (tenant_id, source_id)
        references webhook_sources (tenant_id, id) on delete cascade
    )
    """,
    "create index webhook_handlers_of_source on webhook_handlers (tenant_id, source_id)",
    """
    create table webhook_tasks (
      tenant_id text not null,
      delivery_id text not null,
      handler text not null,
      key text not null,
      priority integer not null,
      lane text,
      gated boolean not null,
      state text not null,
      attempts integer not null default 0,
      next_at timestamptz,
      reason text,
      run_id text,
      result jsonb,
      done_at timestamptz,
      primary key (tenant_id, delivery_id, handler)
    )
    """,
    f"create index webhook_tasks_open on webhook_tasks (tenant_id, key, delivery_id) where {_OPEN}",
    f"create index webhook_tasks_due on webhook_tasks (next_at) where {_OPEN}",
    "create index webhook_tasks_done on webhook_tasks using brin (done_at)",
    """
    create table webhook_subscriptions (
      tenant_id text not null,
      provider text not null,
      registration_id text not null,
      source_id text,
      sealed_url bytea,
      topics jsonb not null,
      far_id text not null,
      state text not null,
      reason text,
      attempts integer not null default 0,
      next_at timestamptz,
      checked_at timestamptz,
      repaired_at timestamptz,
      queue text,
      place text not null,
      pull_at timestamptz,
      pulled_at timestamptz,
      pulled bigint not null default 0,
      created_at timestamptz not null,
      primary key (tenant_id, provider, registration_id),
      constraint webhook_subscriptions_source foreign key (tenant_id, source_id)
        references webhook_sources (tenant_id, id) on delete cascade
    )
    """,
    "create index webhook_subscriptions_of_source on webhook_subscriptions (tenant_id, source_id)",
    """
    create table webhook_enrolments (
      tenant_id text not null,
      connection_id text not null,
      provider text not null,
      registration_id text not null,
      held_by text not null,
      ended boolean not null,
      attempts integer not null default 0,
      next_at timestamptz,
      reason text,
      primary key (tenant_id, connection_id)
    )
    """,
    "create index webhook_enrolments_due on webhook_enrolments (next_at) where next_at is not null",
    # Bodies are what strangers sent: what is no JSON is nothing, and no failure of the query.
    """
    create function webhook_json(body bytea) returns jsonb language plpgsql immutable parallel safe cost 1000 as $$
    begin
      return convert_from(body, 'UTF8')::jsonb;
    exception when others then
      return null;
    end
    $$
    """,
    "alter table webhook_sources add column filter text, add column transform text",
    "alter table webhook_inbox drop column lease_until, add column rehearsed boolean not null default false",
    "drop index webhook_inbox_due",
    "drop index webhook_inbox_connection",
    "create index webhook_inbox_connection on webhook_inbox (connection_id, id) where connection_id is not null",
    "create index webhook_inbox_at on webhook_inbox using brin (received_at)",
)
_BACK = (
    "drop function webhook_json(bytea)",
    "drop index webhook_inbox_at",
    "drop index webhook_inbox_connection",
    "create index webhook_inbox_connection on webhook_inbox (connection_id, id)",
    f"create index webhook_inbox_due on webhook_inbox (next_at) where {_OPEN}",
    "alter table webhook_inbox add column lease_until timestamptz, drop column rehearsed",
    "alter table webhook_sources drop column filter, drop column transform",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for name in _NAMES:
        protect(op, name)


def downgrade() -> None:
    """Drop the tables."""
    for statement in _BACK:
        op.execute(statement)
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
