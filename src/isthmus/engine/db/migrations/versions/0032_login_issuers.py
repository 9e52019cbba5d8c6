"""Issuers that the deployment's super admins add, and logins that are added to a member who is signed in."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0032"
down_revision: str | None = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the columns."""
    op.execute(
        """
        create table login_issuers (
          tenant_id text not null,
          id text not null,
          issuer text not null,
          label text not null,
          client_id text not null,
          secret_sealed bytea,
          algorithms text[] not null,
          created_by text not null,
          created_at timestamptz not null,
          updated_at timestamptz not null,
          primary key (tenant_id, id),
          unique (tenant_id, issuer)
        )
        """
    )
    protect(op, "login_issuers")
    op.execute("alter table login_attempts add column member text, add column session text")


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table login_attempts drop column session, drop column member")
    op.execute("drop table login_issuers")
