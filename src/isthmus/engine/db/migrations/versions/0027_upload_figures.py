"""What full reads found that changes alone had not told."""

from alembic import op

revision = "0027"
down_revision: str | None = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give runs the moment before which all changes should have been read, and what was missed of them."""
    op.execute(
        """
        alter table sync_runs
          add column judged_before timestamptz,
          add column drift_created bigint not null default 0,
          add column drift_updated bigint not null default 0,
          add column drift_missing bigint not null default 0
        """
    )


def downgrade() -> None:
    """Take them away again."""
    op.execute(
        """
        alter table sync_runs
          drop column judged_before,
          drop column drift_created,
          drop column drift_updated,
          drop column drift_missing
        """
    )
