"""Tables of inbound webhooks."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect, share

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAMES = (
    "webhook_sources", "webhook_secrets", "webhook_inbox", "webhook_steps", "webhook_mail", "webhook_refused",
    "webhook_replays",
)  # fmt: skip
_SHARED = ("webhook_tokens", "webhook_seen")
_STATEMENTS = (
    """
    create table webhook_sources (
      tenant_id text not null,
      id text not null,
      provider text not null,
      name text not null,
      connection_id text,
      uses_app boolean not null,
      app jsonb not null,
      paused boolean not null,
      first_verified_at timestamptz,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    """
    create table webhook_secrets (
      tenant_id text not null,
      id text not null,
      source_id text not null,
      sealed bytea not null,
      expires_at timestamptz,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint webhook_secrets_source foreign key (tenant_id, source_id)
        references webhook_sources (tenant_id, id) on delete cascade
    )
    """,
    "create index webhook_secrets_of_source on webhook_secrets (tenant_id, source_id)",
    """
    create table webhook_tokens (
      token_hash bytea not null primary key,
      tenant_id text not null,
      source_id text not null,
      hint text not null,
      expires_at timestamptz,
      created_at timestamptz not null,
      constraint webhook_tokens_source foreign key (tenant_id, source_id)
        references webhook_sources (tenant_id, id) on delete cascade
    )
    """,
    "create index webhook_tokens_of_source on webhook_tokens (tenant_id, source_id)",
    "create table webhook_seen (digest bytea not null primary key, at timestamptz not null)",
    "create index webhook_seen_at on webhook_seen using brin (at)",
    """
    create table webhook_inbox (
      tenant_id text not null,
      id text not null,
      source_id text not null,
      provider text not null,
      received_at timestamptz not null,
      request_id text not null,
      address text not null,
      method text not null,
      query text not null,
      headers jsonb not null,
      body bytea not null,
      verdict jsonb not null,
      topic text not null,
      event text not null,
      entity text not null,
      account text not null,
      object text not null,
      occurred_at timestamptz,
      simulated boolean not null,
      connection_id text,
      state text not null,
      attempts integer not null default 0,
      next_at timestamptz,
      lease_until timestamptz,
      reason text,
      run_id text,
      replays integer not null default 0,
      done_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    "create index webhook_inbox_received on webhook_inbox (source_id, id) where state = 'received'",
    "create index webhook_inbox_due on webhook_inbox (next_at) where state in ('waiting', 'handling')",
    "create index webhook_inbox_connection on webhook_inbox (connection_id, id)",
    """
    create table webhook_steps (
      tenant_id text not null,
      delivery_id text not null,
      id text not null,
      at timestamptz not null,
      what text not null,
      outcome text not null,
      message text,
      run_id text,
      primary key (tenant_id, delivery_id, id)
    )
    """,
    """
    create table webhook_mail (
      tenant_id text not null,
      source_id text not null,
      wanted bigint not null default 0,
      seen bigint not null default 0,
      repeats bigint not null default 0,
      last_at timestamptz,
      primary key (tenant_id, source_id)
    )
    """,
    """
    create unlogged table webhook_refused (
      tenant_id text not null,
      source_id text not null,
      id text not null,
      at timestamptz not null,
      reason text not null,
      message text not null,
      address text not null,
      headers jsonb not null,
      body bytea not null,
      primary key (tenant_id, source_id, id)
    )
    """,
    """
    create table webhook_replays (
      tenant_id text not null,
      id text not null,
      filters jsonb not null,
      state text not null,
      place text not null,
      last text not null,
      total bigint not null,
      done bigint not null default 0,
      requested_by text not null,
      created_at timestamptz not null,
      done_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for name in _NAMES:
        protect(op, name)
    for name in _SHARED:
        share(op, name, tenant="")


def downgrade() -> None:
    """Drop the tables."""
    for name in (*_SHARED, *reversed(_NAMES)):
        op.execute(f"drop table {name}")
