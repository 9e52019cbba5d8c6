"""The lanes of inbound webhooks' tasks, so that a worker sees what stands at the front; what each secret is for."""

from alembic import op

revision = "0033"
down_revision: str | None = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index and the column."""
    op.execute(
        """
        create index webhook_tasks_lanes on webhook_tasks (tenant_id, key, lane, delivery_id)
        where state in ('waiting', 'handling') and lane is not null
        """
    )
    op.execute("alter table webhook_secrets add column purpose text not null default 'signature'")


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table webhook_secrets drop column purpose")
    op.execute("drop index webhook_tasks_lanes")
