"""When the price of a listing changes next, because a sale begins or has ended."""

from alembic import op

from isthmus.engine.db.migrations.ddl import fill

revision = "0033"
down_revision: str | None = "0030"
branch_labels = None
depends_on = None

#: Listings with dated sales that are there already are looked at once.
_DATED = """
update listings set price_changes_at = now()
where jsonb_path_exists(body, '$.variants[*].price ? (exists(@.sale_starts_at) || exists(@.sale_ends_at))')
"""


def upgrade() -> None:
    """Add the column, and let what may be behind be looked at."""
    op.execute("alter table listings add column price_changes_at timestamptz")
    fill(op, _DATED)
    op.execute("create index listings_priced on listings (price_changes_at) where price_changes_at is not null")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table listings drop column price_changes_at")
