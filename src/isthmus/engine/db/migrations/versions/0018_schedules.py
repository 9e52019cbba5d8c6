"""When each entity of each connection is read."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0018"
down_revision: str | None = "0017"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table schedules (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      entity text not null,
      mode text not null,
      rule jsonb not null,
      state text not null,
      reason text,
      next_at timestamptz,
      wanted_at timestamptz,
      last_at timestamptz,
      last_run_id text,
      version integer not null,
      primary key (tenant_id, id),
      constraint schedules_of unique (tenant_id, connection_id, entity, mode)
    )
    """,
    "create index schedules_due on schedules (next_at) where state = 'active'",
    "create index schedules_wanted on schedules (wanted_at) where wanted_at is not null",
)


def upgrade() -> None:
    """Create the table."""
    for table in _TABLES:
        op.execute(table)
    protect(op, "schedules")


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table schedules")
