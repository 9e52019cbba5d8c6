"""Built-in accounts of tenants, their sessions, and wrong tries to sign in."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0008"
down_revision: str | None = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table users (
      tenant_id text not null,
      id text not null,
      email text not null,
      password_hash text,
      roles text[] not null,
      status text not null,
      invitation bytea,
      invited_until timestamptz,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint users_tenant_id_email_key unique (tenant_id, email),
      constraint users_invitation_key unique (invitation)
    )
    """,
    """
    create table sessions (
      tenant_id text not null,
      id text not null,
      user_id text not null,
      digest bytea not null,
      created_at timestamptz not null,
      seen_at timestamptz not null,
      ends_at timestamptz not null,
      primary key (tenant_id, id),
      constraint sessions_tenant_id_user_id_fkey foreign key (tenant_id, user_id)
        references users (tenant_id, id) on delete cascade,
      constraint sessions_digest_key unique (digest)
    )
    """,
    "create index sessions_user_idx on sessions (tenant_id, user_id)",
    """
    create table sign_in_failures (
      tenant_id text not null,
      id text not null,
      failures integer not null,
      until timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
)


def upgrade() -> None:
    for table in _TABLES:
        op.execute(table)
    for table in ("users", "sessions", "sign_in_failures"):
        protect(op, table)
