"""What ends is found by an index; what somebody hands out names them; an address is free once its member is removed."""

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
    op.execute("alter table users drop constraint users_tenant_id_email_key, add column invited_by text")
    op.execute("create unique index users_email_idx on users (tenant_id, email) where status <> 'removed'")
    op.execute("alter table password_resets add column offered_by text")


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table password_resets drop column offered_by")
    op.execute("drop index users_email_idx")
    op.execute(
        "alter table users drop column invited_by, add constraint users_tenant_id_email_key unique (tenant_id, email)"
    )
    op.execute("alter table break_glasses drop column session")
    for name in _INDEXES:
        op.execute(f"drop index {name}")
