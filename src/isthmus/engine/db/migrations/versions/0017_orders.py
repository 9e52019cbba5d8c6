"""Orders, their lines, shipments and customers; single records to read, suspects of deletion, rehearsed changes."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0017"
down_revision: str | None = "0016"
branch_labels = None
depends_on = None

_NAMES = (
    "customers",
    "orders",
    "order_lines",
    "shipments",
    "order_statuses",
    "sync_refreshes",
    "sync_seen",
    "sync_suspects",
    "sync_changes",
)
_STATEMENTS = (
    """
    create table customers (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      provider text not null,
      external_id text not null,
      personal bytea,
      first_order_at timestamptz,
      last_order_at timestamptz,
      redacted_at timestamptz,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      constraint customers_external unique (tenant_id, connection_id, external_id)
    )
    """,
    "create index customers_last_order on customers (last_order_at) where redacted_at is null",
    """
    create table orders (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      provider text not null,
      external_id text not null,
      number text not null,
      customer_id text,
      status text not null,
      platform_status text not null,
      payment_status text not null,
      fulfilment_status text not null,
      placed_at timestamptz not null,
      currency text not null,
      grand_total numeric not null,
      money_gap numeric,
      line_count integer not null,
      country text,
      body jsonb not null,
      personal bytea,
      raw bytea,
      raw_hash bytea not null,
      hash bytea not null,
      version integer not null,
      platform_updated_at timestamptz,
      redacted_at timestamptz,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      constraint orders_external unique (tenant_id, connection_id, external_id),
      constraint orders_customer foreign key (tenant_id, customer_id) references customers (tenant_id, id)
    )
    """,
    "create index orders_of_customer on orders (customer_id, tenant_id) where customer_id is not null",
    "create index orders_number on orders (number, tenant_id)",
    "create index orders_placed on orders (tenant_id, placed_at, id)",
    "create index orders_personal on orders (placed_at) where redacted_at is null",
    """
    create table order_lines (
      tenant_id text not null,
      id text not null,
      order_id text not null,
      connection_id text not null,
      external_id text not null,
      position integer not null,
      product_external_id text,
      variant_external_id text,
      sku text,
      title text not null,
      quantity bigint not null,
      unit_price numeric not null,
      line_total numeric not null,
      status text not null,
      primary key (tenant_id, id),
      constraint order_lines_external unique (tenant_id, order_id, external_id),
      constraint order_lines_order foreign key (tenant_id, order_id)
        references orders (tenant_id, id) on delete cascade
    )
    """,
    "create index order_lines_sku on order_lines (sku, tenant_id, connection_id) where sku is not null",
    """
    create table shipments (
      tenant_id text not null,
      id text not null,
      order_id text not null,
      external_id text not null,
      status text not null,
      platform_status text not null,
      carrier text,
      tracking_number text,
      shipped_at timestamptz,
      delivered_at timestamptz,
      primary key (tenant_id, id),
      constraint shipments_external unique (tenant_id, order_id, external_id),
      constraint shipments_order foreign key (tenant_id, order_id)
        references orders (tenant_id, id) on delete cascade
    )
    """,
    "create index shipments_tracking on shipments (tracking_number) where tracking_number is not null",
    """
    create table order_statuses (
      tenant_id text not null,
      provider text not null,
      platform_status text not null,
      order_id text not null,
      seen_at timestamptz not null,
      primary key (tenant_id, provider, platform_status)
    )
    """,
    "alter table sync_runs add column dry_run boolean not null default false",
    "alter table sync_runs add column retry_of text",
    """
    create table sync_refreshes (
      tenant_id text not null,
      connection_id text not null,
      entity text not null,
      external_id text not null,
      seen timestamptz,
      asked bigint not null default 1,
      attempts integer not null default 0,
      due_at timestamptz,
      lease_until timestamptz,
      created_at timestamptz not null,
      primary key (tenant_id, connection_id, entity, external_id)
    )
    """,
    "create index sync_refreshes_due on sync_refreshes (due_at) where due_at is not null",
    """
    create table sync_seen (
      tenant_id text not null,
      run_id text not null,
      page bigint not null,
      external_ids text[] not null,
      primary key (tenant_id, run_id, page),
      constraint sync_seen_run foreign key (tenant_id, run_id)
        references sync_runs (tenant_id, id) on delete cascade
    )
    """,
    """
    create table sync_suspects (
      tenant_id text not null,
      id text not null,
      run_id text not null,
      connection_id text not null,
      provider text not null,
      entity text not null,
      external_id text not null,
      record_id text not null,
      state text not null,
      reason text,
      decided_by text,
      created_at timestamptz not null,
      decided_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    """
    create unique index sync_suspects_open on sync_suspects (tenant_id, connection_id, entity, external_id)
      where state in ('open', 'waiting')
    """,
    "create index sync_suspects_run on sync_suspects (run_id, id)",
    """
    create table sync_changes (
      tenant_id text not null,
      run_id text not null,
      page bigint not null,
      external_id text not null,
      change text not null,
      primary key (tenant_id, run_id, page, external_id),
      constraint sync_changes_run foreign key (tenant_id, run_id)
        references sync_runs (tenant_id, id) on delete cascade
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
    op.execute("alter table sync_runs drop column retry_of")
    op.execute("alter table sync_runs drop column dry_run")
