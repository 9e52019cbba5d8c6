"""What ends is found by an index; an operator's time inside a tenant names the session that it was begun in."""

from alembic import op

revision = "0034"
down_revision: str | None = "0033"
branch_labels = None
depends_on = None

_INDEXES = {
    "login_attempts_member_idx": "login_attempts (tenant, member) where member is not null",
    "sessions_ends_idx": "sessions (ends_at)",
    "sessions_seen_idx": "sessions (seen_at)",
    "sign_in_failures_until_idx": "sign_in_failures (until)",
}


def upgrade() -> None:
    """Create the indexes and the column."""
    for name, what in _INDEXES.items():
        op.execute(f"create index {name} on {what}")
    op.execute("alter table break_glasses add column session text")


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table break_glasses drop column session")
    for name in _INDEXES:
        op.execute(f"drop index {name}")
