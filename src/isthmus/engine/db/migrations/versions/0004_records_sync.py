"""Tables of records and sync."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAMES = ("products", "listings", "variants", "sync_runs", "sync_errors", "sync_cursors")
_STATEMENTS = (
    """
    create table products (
      tenant_id text not null,
      id text not null,
      title text not null,
      sku text,
      status text not null,
      currency text,
      price numeric,
      stock bigint,
      version integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    "create index products_updated on products (updated_at)",
    """
    create table listings (
      tenant_id text not null,
      id text not null,
      product_id text not null,
      connection_id text not null,
      provider text not null,
      external_id text not null,
      title text not null,
      status text not null,
      platform_status text not null,
      sku text,
      variant_count integer not null,
      currency text,
      price numeric,
      stock bigint,
      body jsonb not null,
      raw bytea not null,
      raw_hash bytea not null,
      hash bytea not null,
      version integer not null,
      platform_updated_at timestamptz,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      constraint listings_external unique (tenant_id, connection_id, external_id),
      constraint listings_product foreign key (tenant_id, product_id) references products (tenant_id, id)
    )
    """,
    "create index listings_of_product on listings (product_id, tenant_id)",
    "create index listings_updated on listings (updated_at)",
    """
    create table variants (
      tenant_id text not null,
      id text not null,
      listing_id text not null,
      connection_id text not null,
      external_id text not null,
      sku text,
      barcode text,
      title text,
      position integer not null,
      status text not null,
      currency text,
      price numeric,
      list_price numeric,
      stock bigint,
      primary key (tenant_id, id),
      constraint variants_external unique (tenant_id, listing_id, external_id),
      constraint variants_listing foreign key (tenant_id, listing_id)
        references listings (tenant_id, id) on delete cascade
    )
    """,
    "create index variants_sku on variants (sku, tenant_id, connection_id) where sku is not null",
    """
    create table sync_runs (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      provider text not null,
      entity text not null,
      mode text not null,
      state text not null,
      since timestamptz,
      until timestamptz not null,
      cursor text,
      fence bigint not null default 0,
      owner text,
      lease_until timestamptz,
      retry_at timestamptz,
      attempts integer not null default 0,
      deaths integer not null default 0,
      pages_at_claim bigint not null default 0,
      total bigint,
      pages bigint not null default 0,
      records bigint not null default 0,
      listings bigint not null default 0,
      variants bigint not null default 0,
      created bigint not null default 0,
      updated bigint not null default 0,
      unchanged bigint not null default 0,
      failed bigint not null default 0,
      retries bigint not null default 0,
      throttled bigint not null default 0,
      waited_ms bigint not null default 0,
      waiting_until timestamptz,
      waiting_reason text,
      error_code text,
      error_message text,
      requested_by text not null,
      created_at timestamptz not null,
      started_at timestamptz,
      finished_at timestamptz,
      changed_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    """
    create unique index sync_runs_live on sync_runs (tenant_id, connection_id, entity)
      where state in ('queued', 'running', 'cancelling')
    """,
    "create index sync_runs_connection on sync_runs (connection_id, entity, id)",
    "create index sync_runs_changed on sync_runs (changed_at)",
    "create index sync_runs_stalled on sync_runs (lease_until) where state in ('queued', 'running', 'cancelling')",
    """
    create table sync_errors (
      tenant_id text not null,
      id text not null,
      run_id text not null,
      connection_id text not null,
      external_id text not null,
      reason text not null,
      payload bytea not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint sync_errors_run foreign key (tenant_id, run_id)
        references sync_runs (tenant_id, id) on delete cascade
    )
    """,
    "create index sync_errors_of_run on sync_errors (run_id, id)",
    """
    create table sync_cursors (
      tenant_id text not null,
      connection_id text not null,
      entity text not null,
      watermark timestamptz,
      run_id text not null,
      updated_at timestamptz not null,
      primary key (tenant_id, connection_id, entity)
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for name in _NAMES:
        protect(op, name)


def downgrade() -> None:
    """Drop the tables."""
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
