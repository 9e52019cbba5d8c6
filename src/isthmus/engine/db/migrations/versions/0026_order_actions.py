"""Actions on orders."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0026"
down_revision: str | None = "0025"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table order_actions (
      tenant_id text not null,
      id text not null,
      order_id text not null,
      connection_id text not null,
      provider text not null,
      external_id text not null,
      number text not null,
      kind text not null,
      lines text[] not null,
      reason text not null,
      details jsonb not null,
      state text not null,
      forced boolean not null default false,
      sends integer not null default 0,
      sent_at timestamptz,
      fence bigint not null default 0,
      owner text,
      lease_until timestamptz,
      parked boolean not null default false,
      retry_at timestamptz,
      attempts integer not null default 0,
      deaths integer not null default 0,
      done integer not null default 0,
      failed integer not null default 0,
      error_code text,
      error_message text,
      status_before text not null,
      status_after text,
      requested_by text not null,
      created_at timestamptz not null,
      finished_at timestamptz,
      changed_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    """
    create unique index order_actions_live on order_actions (tenant_id, order_id)
    where state in ('waiting', 'sending', 'unsure')
    """,
    "create index order_actions_order on order_actions (order_id, id)",
    "create index order_actions_connection on order_actions (connection_id, id)",
    "create index order_actions_due on order_actions (changed_at) where state in ('waiting', 'sending')",
    """
    create table order_action_items (
      tenant_id text not null,
      action_id text not null,
      external_id text not null,
      result text not null,
      code text not null,
      reason text not null,
      primary key (tenant_id, action_id, external_id),
      constraint order_action_items_action foreign key (tenant_id, action_id)
        references order_actions (tenant_id, id) on delete cascade
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for table in _TABLES:
        op.execute(table)
    protect(op, "order_actions")
    protect(op, "order_action_items")


def downgrade() -> None:
    """Drop the tables."""
    op.execute("drop table order_action_items")
    op.execute("drop table order_actions")
