"""Hosted connect pages: the browser that showed a connect token has a proof of its own."""

from alembic import op

revision = "0023"
down_revision: str | None = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One page at a time for each session."""
    op.execute("alter table connect_sessions add column page_hash bytea")
    op.execute("create unique index connect_sessions_page on connect_sessions (page_hash) where page_hash is not null")


def downgrade() -> None:
    """Pages that are open close."""
    op.execute("alter table connect_sessions drop column page_hash")
