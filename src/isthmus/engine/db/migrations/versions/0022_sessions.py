"""Sessions in the browser, publishable keys, access of operators, and epochs of the sealed log."""

from alembic import op

from isthmus.engine.db.migrations.ddl import fill, protect

revision = "0022"
down_revision: str | None = "0021"
branch_labels = None
depends_on = None

_SESSIONS = (
    "alter table sessions alter column user_id drop not null",
    "alter table sessions add column kind text not null default 'token'",
    "alter table sessions add column issuer text not null default 'isthmus'",
    "alter table sessions add column subject text",
    "alter table sessions add column roles text[]",
    "alter table sessions add column proved_at timestamptz",
    "alter table sessions add column strong boolean not null default false",
)
_FILLED = (
    "alter table sessions alter column subject set not null",
    "alter table sessions alter column proved_at set not null",
    "alter table sessions alter column kind drop default",
    "alter table sessions alter column issuer drop default",
    "alter table sessions alter column strong drop default",
    "create index sessions_subject_idx on sessions (tenant_id, issuer, subject)",
)
_KEYS = (
    "alter table api_keys add column origins text[] not null default '{}'",
    "alter table api_keys alter column origins drop default",
    "alter table api_keys add column per_minute integer",
    "alter table api_keys add column found_at timestamptz",
    "alter table api_keys add column revoke_when_found boolean not null default false",
    "alter table api_keys alter column revoke_when_found drop default",
)
_CHECKPOINTS = (
    "alter table audit_checkpoints add column epoch integer not null default 0",
    "alter table audit_checkpoints alter column epoch drop default",
    "alter table audit_checkpoints add column floor_id text not null default ''",
    "alter table audit_checkpoints alter column floor_id drop default",
)
_TABLES = (
    """
    create table second_factors (
      tenant_id text not null,
      id text not null,
      sealed bytea not null,
      created_at timestamptz not null,
      confirmed_at timestamptz,
      last_step bigint not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, id) references users (tenant_id, id) on delete cascade
    )
    """,
    """
    create table issuer_accounts (
      tenant_id text not null,
      id text not null,
      issuer text not null,
      subject text not null,
      roles text[] not null,
      set_by text not null,
      set_at timestamptz not null,
      primary key (tenant_id, id),
      unique (tenant_id, issuer, subject)
    )
    """,
    """
    create table break_glasses (
      tenant_id text not null,
      id text not null,
      digest bytea not null,
      operator text not null,
      reason text not null,
      ticket text not null,
      begun_at timestamptz not null,
      until timestamptz not null,
      ended_at timestamptz,
      ended_by text,
      primary key (tenant_id, id),
      unique (digest)
    )
    """,
)
_NAMES = ("second_factors", "issuer_accounts", "break_glasses")


def upgrade() -> None:
    """Make sessions anybody's, and create the tables."""
    for statement in _SESSIONS:
        op.execute(statement)
    fill(op, "update sessions set subject = user_id, proved_at = created_at")
    for statement in (*_FILLED, *_KEYS, *_CHECKPOINTS, *_TABLES):
        op.execute(statement)
    for name in _NAMES:
        protect(op, name)


def downgrade() -> None:
    """Drop the tables; sessions of people without an account end."""
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
    op.execute(
        "alter table api_keys drop column origins, drop column per_minute, drop column found_at, "
        "drop column revoke_when_found"
    )
    op.execute("alter table audit_checkpoints drop column epoch, drop column floor_id")
    op.execute("drop index sessions_subject_idx")
    fill(op, "delete from sessions where user_id is null")
    op.execute(
        "alter table sessions drop column kind, drop column issuer, drop column subject, drop column roles, "
        "drop column proved_at, drop column strong, alter column user_id set not null"
    )
