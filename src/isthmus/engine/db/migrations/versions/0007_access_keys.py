"""API keys of tenants."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0007"
down_revision: str | None = "0006"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table api_keys (
      tenant_id text not null,
      id text not null,
      name text not null,
      mode text not null,
      digest bytea not null,
      prefix text not null,
      last4 text not null,
      permissions text[] not null,
      created_by text not null,
      creator_roles text[] not null,
      created_at timestamptz not null,
      expires_at timestamptz,
      last_used_at timestamptz,
      revoked_at timestamptz,
      replaced_by text,
      primary key (tenant_id, id),
      constraint api_keys_digest_key unique (digest)
    )
    """,
    "create index api_keys_creator_idx on api_keys (tenant_id, created_by)",
)


def upgrade() -> None:
    for table in _TABLES:
        op.execute(table)
    protect(op, "api_keys")
