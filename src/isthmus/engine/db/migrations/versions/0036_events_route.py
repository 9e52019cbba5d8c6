"""By which route an event came about, and on whose behalf (security.md AU-06)."""

from alembic import op

revision = "0036"
down_revision: str | None = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty for what was written before."""
    op.execute("alter table events add column route text, add column on_behalf_of text")


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table events drop column route, drop column on_behalf_of")
