"""The lanes of the tasks of inbound webhooks, so that a worker sees at once what stands at the front of each."""

from alembic import op

revision = "0033"
down_revision: str | None = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.execute(
        """
        create index webhook_tasks_lanes on webhook_tasks (tenant_id, key, lane, delivery_id)
        where state in ('waiting', 'handling') and lane is not null
        """
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("drop index webhook_tasks_lanes")
