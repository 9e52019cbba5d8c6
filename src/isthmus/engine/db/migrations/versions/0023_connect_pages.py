"""Hosted connect pages, and consents at addresses that differ from one account to the next."""

from alembic import op

revision = "0023"
down_revision: str | None = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One page at a time for each session; a consent knows whose address it was begun at."""
    op.execute("alter table connect_sessions add column page_hash bytea")
    op.execute("create unique index connect_sessions_page on connect_sessions (page_hash) where page_hash is not null")
    op.execute("alter table oauth_flows add column account jsonb not null default '{}'")
    op.execute("alter table integrations add column testing_until timestamptz, add column purge_since timestamptz")
    op.execute("create index integrations_purge on integrations (purge_since) where purge_since is not null")


def downgrade() -> None:
    """Pages that are open close."""
    op.execute("alter table integrations drop column testing_until, drop column purge_since")
    op.execute("alter table oauth_flows drop column account")
    op.execute("alter table connect_sessions drop column page_hash")
