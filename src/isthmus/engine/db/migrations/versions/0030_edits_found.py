"""Edits of a connection in the order in which they are due, and those of a claim: found without walking the others."""

from alembic import op

revision = "0030"
down_revision: str | None = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put the due ones in their order, and the claimed ones together."""
    op.execute("drop index edits_due")
    op.execute("create index edits_due on edits (tenant_id, connection_id, due_at, id) where due_at is not null")
    op.execute("create index edits_claimed on edits (tenant_id, claim) where claim is not null")


def downgrade() -> None:
    """As it was."""
    op.execute("drop index edits_claimed")
    op.execute("drop index edits_due")
    op.execute("create index edits_due on edits (connection_id, due_at) where due_at is not null")
