"""When the price of a listing changes next, because a sale begins or has ended; how much of a file is done."""

from alembic import op

from isthmus.engine.db.migrations.ddl import fill

revision = "0031"
down_revision: str | None = "0030"
branch_labels = None
depends_on = None

#: Listings with dated sales that are there already are looked at once.
_DATED = """
update listings set price_changes_at = now()
where jsonb_path_exists(body, '$.variants[*].price ? (exists(@.sale_starts_at) || exists(@.sale_ends_at))')
"""


def upgrade() -> None:
    """Add the columns, and let what may be behind be looked at."""
    op.execute("alter table listings add column price_changes_at timestamptz")
    fill(op, _DATED)
    op.execute("create index listings_priced on listings (price_changes_at) where price_changes_at is not null")
    op.execute("alter table uploads add column share double precision")
    op.execute("create index uploads_changed on uploads (changed_at)")


def downgrade() -> None:
    """Drop them."""
    op.execute("drop index uploads_changed")
    op.execute("alter table uploads drop column share")
    op.execute("alter table listings drop column price_changes_at")
