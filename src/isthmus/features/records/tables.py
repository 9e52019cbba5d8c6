"""The canonical store: products, listings, the variants that are sold, and records of every other kind."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)
# Indexes beside the keys do not begin with the tenant: in a first sync the planner knows no statistics, takes any index
# with the tenant in front for as good as the unique one, and then walks the whole tenant for each row.

PRODUCTS = tenant_table(
    "products",
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("sku", Text),
    Column("status", Text, nullable=False),
    Column("currency", Text),
    Column("price", Numeric),
    Column("stock", BigInteger),
    Column("version", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    #: Several listings sell it: none of them says alone what it is like.
    Column("own", Boolean, nullable=False, server_default=text("false")),
    Index("products_updated", "updated_at"),
)

LISTINGS = tenant_table(
    "listings",
    Column("id", Text, primary_key=True),
    Column("product_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("platform_status", Text, nullable=False),
    Column("sku", Text),
    Column("variant_count", Integer, nullable=False),
    Column("currency", Text),
    Column("price", Numeric),
    Column("stock", BigInteger),
    #: The canonical record as JSON, whose bytes `hash` was made from.
    Column("body", JSONB, nullable=False),
    #: The exact bytes the platform sent, and their own hash: equal bytes need not be read again.
    Column("raw", LargeBinary, nullable=False),
    Column("raw_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("platform_updated_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    #: When the first of its sales begins or has ended; null: none will.
    Column("price_changes_at", _TIME),
    UniqueConstraint("tenant_id", "connection_id", "external_id", name="listings_external"),
    ForeignKeyConstraint(["tenant_id", "product_id"], ["products.tenant_id", "products.id"], name="listings_product"),
    Index("listings_of_product", "product_id", "tenant_id"),
    Index("listings_updated", "updated_at"),
    Index("listings_priced", "price_changes_at", postgresql_where=text("price_changes_at is not null")),
)

VARIANTS = tenant_table(
    "variants",
    Column("id", Text, primary_key=True),
    Column("listing_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("sku", Text),
    Column("barcode", Text),
    Column("title", Text),
    Column("position", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("currency", Text),
    Column("price", Numeric),
    Column("list_price", Numeric),
    Column("stock", BigInteger),
    UniqueConstraint("tenant_id", "listing_id", "external_id", name="variants_external"),
    ForeignKeyConstraint(
        ["tenant_id", "listing_id"],
        ["listings.tenant_id", "listings.id"],
        name="variants_listing",
        ondelete="CASCADE",
    ),
    Index("variants_sku", "sku", "tenant_id", "connection_id", postgresql_where=text("sku is not null")),
    Index("variants_barcode", "barcode", "tenant_id", "connection_id", postgresql_where=text("barcode is not null")),
)

#: What the integration of a connection may not read any more: shown to nobody from then on, and removed by a job.
HIDDEN = tenant_table(
    "hidden_records",
    Column("connection_id", Text, primary_key=True),
    Column("shard_type", Text, primary_key=True),
)

#: Records that have no table of their own, such as contacts or tickets: mapped fields in `body`, compared by `hash`.
SHARDS = tenant_table(
    "shards",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("shard_type", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text),
    Column("body", JSONB, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("source_updated_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    UniqueConstraint("tenant_id", "connection_id", "entity", "external_id", name="shards_external"),
    Index("shards_kind", "shard_type", "tenant_id", "id"),
    Index("shards_updated", "updated_at"),
)
