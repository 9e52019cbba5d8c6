"""Tables of connections."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table integrations (
      tenant_id text not null,
      id text not null,
      provider text not null,
      name text not null,
      settings jsonb not null default '{}',
      status text not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    """
    create table connections (
      tenant_id text not null,
      id text not null,
      integration_id text not null,
      provider text not null,
      auth text not null,
      registration_id text not null,
      external_account_id text,
      account jsonb not null default '{}',
      status text not null,
      status_reason text,
      hosts_digest text,
      access_token bytea,
      refresh_token bytea,
      previous_refresh bytea,
      credentials bytea,
      scope text not null default '',
      token_version bigint not null default 0,
      expires_at timestamptz,
      refresh_expires_at timestamptz,
      lease_owner text,
      lease_until timestamptz,
      sending_since timestamptz,
      uncertain_tries integer not null default 0,
      retry_at timestamptz,
      failures integer not null default 0,
      last_tested_at timestamptz,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, integration_id) references integrations (tenant_id, id)
    )
    """,
    "create unique index connections_account on connections (tenant_id, provider, external_account_id)",
    "create index connections_integration on connections (tenant_id, integration_id)",
    """
    create table oauth_flows (
      tenant_id text not null,
      key_hash bytea not null,
      stage text not null,
      connection_id text not null,
      provider text not null,
      registration_id text not null,
      registration_version bigint not null,
      hosts_digest text not null,
      redirect_uri text not null,
      return_url text,
      principal_id text not null,
      principal jsonb not null,
      verifier bytea,
      answer bytea,
      starter_hash bytea not null,
      cookie_hash bytea,
      starter_bound boolean not null default false,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      primary key (tenant_id, key_hash),
      foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
    )
    """,
    "create unique index oauth_flows_key on oauth_flows (key_hash)",
    "create index oauth_flows_principal on oauth_flows (tenant_id, principal_id)",
    "create index oauth_flows_expiry on oauth_flows (expires_at)",
    "create index oauth_flows_connection on oauth_flows (tenant_id, connection_id)",
    """
    create table account_claims (
      tenant_id text not null,
      provider text not null,
      external_account_id text not null,
      connection_id text not null,
      created_at timestamptz not null,
      primary key (tenant_id, provider, external_account_id),
      foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
    )
    """,
    "create unique index account_claims_holder on account_claims (provider, external_account_id)",
    "create index account_claims_connection on account_claims (tenant_id, connection_id)",
    """
    create table return_origins (
      tenant_id text not null,
      origin text not null,
      created_at timestamptz not null,
      primary key (tenant_id, origin)
    )
    """,
)
_NAMES = ("integrations", "connections", "oauth_flows", "account_claims", "return_origins")


def upgrade() -> None:
    """Create the tables."""
    for table in _TABLES:
        op.execute(table)
    for name in _NAMES:
        protect(op, name)


def downgrade() -> None:
    """Drop the tables."""
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
