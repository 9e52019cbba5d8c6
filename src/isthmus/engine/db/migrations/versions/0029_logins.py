"""Logins at other issuers, and settings that weaken the deployment."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect, share

revision = "0029"
down_revision: str | None = "0028"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table user_identities (
      tenant_id text not null,
      issuer text not null,
      subject text not null,
      user_id text not null,
      linked_at timestamptz not null,
      primary key (tenant_id, issuer, subject),
      foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
    )
    """,
    "create index user_identities_user_idx on user_identities (tenant_id, user_id)",
    """
    create table login_attempts (
      id bytea not null,
      browser bytea not null,
      issuer text not null,
      tenant text not null,
      invitation bytea,
      return_to text not null,
      until timestamptz not null,
      primary key (id)
    )
    """,
    "create index login_attempts_until_idx on login_attempts (until)",
    """
    create table weak_settings (
      tenant_id text not null,
      name text not null,
      value text not null,
      since timestamptz not null,
      until timestamptz not null,
      primary key (tenant_id, name)
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for table in _TABLES:
        op.execute(table)
    protect(op, "user_identities")
    protect(op, "weak_settings")
    share(op, "login_attempts")


def downgrade() -> None:
    """Drop the tables."""
    for name in ("weak_settings", "login_attempts", "user_identities"):
        op.execute(f"drop table {name}")
