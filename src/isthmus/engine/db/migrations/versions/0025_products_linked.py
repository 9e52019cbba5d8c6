"""Products that are sold in several shops: linked listings, their common stock, and buffers."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0025"
down_revision: str | None = "0024"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "alter table products add column own boolean not null default false",
    "create index variants_barcode on variants (barcode, tenant_id, connection_id) where barcode is not null",
    "create index push_items_of on push_items (listing_id, variant, field)",
    """
    create table inventory_items (
      tenant_id text not null,
      id text not null,
      product_id text not null,
      sku text,
      barcode text,
      title text,
      stock bigint,
      due_at timestamptz,
      version integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, product_id) references products (tenant_id, id) on delete cascade
    )
    """,
    "create index inventory_items_of on inventory_items (product_id, tenant_id)",
    "create index inventory_items_due on inventory_items (due_at) where due_at is not null",
    """
    create table inventory_links (
      tenant_id text not null,
      listing_id text not null,
      variant text not null,
      item_id text not null,
      connection_id text not null,
      how text not null,
      seen bigint,
      wanted bigint,
      push_id text,
      created_by text not null,
      created_at timestamptz not null,
      primary key (tenant_id, listing_id, variant),
      foreign key (tenant_id, listing_id) references listings (tenant_id, id) on delete cascade,
      foreign key (tenant_id, item_id) references inventory_items (tenant_id, id) on delete cascade
    )
    """,
    "create index inventory_links_of on inventory_links (item_id, tenant_id)",
    """
    create table stock_buffers (
      tenant_id text not null,
      connection_id text not null,
      buffer bigint not null,
      version integer not null,
      primary key (tenant_id, connection_id)
    )
    """,
)
_NAMES = ("inventory_items", "inventory_links", "stock_buffers")


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for name in _NAMES:
        protect(op, name)


def downgrade() -> None:
    """Drop the tables."""
    for name in ("stock_buffers", "inventory_links", "inventory_items"):
        op.execute(f"drop table {name}")
    op.execute("drop index push_items_of")
    op.execute("drop index variants_barcode")
    op.execute("alter table products drop column own")
