"""Functions that services register for what is pushed, so that every process plans for them."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0035"
down_revision: str | None = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        create table webhook_functions (
          tenant_id text not null,
          id text not null,
          name text not null,
          pattern text not null,
          priority integer not null,
          retries jsonb,
          ordered_by text,
          created_at timestamptz not null,
          offered_at timestamptz not null,
          missed_at timestamptz,
          retired_at timestamptz,
          primary key (tenant_id, id),
          constraint webhook_functions_of unique (tenant_id, name)
        )
        """
    )
    protect(op, "webhook_functions")


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table webhook_functions")
