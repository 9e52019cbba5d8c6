"""Changes of providers that wait for a second person."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0028"
down_revision: str | None = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        create table provider_proposals (
          tenant_id text not null,
          id text not null,
          provider text not null,
          action text not null,
          wish jsonb not null,
          credentials_sealed bytea,
          differences jsonb not null,
          reasons text[] not null,
          state text not null,
          proposed_by text not null,
          proposed_at timestamptz not null,
          until timestamptz not null,
          decided_by text,
          decided_at timestamptz,
          primary key (tenant_id, id)
        )
        """
    )
    op.execute("create index provider_proposals_open on provider_proposals (until) where state = 'open'")
    protect(op, "provider_proposals")


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table provider_proposals")
