"""What is sold in several shops at once: items with a common stock, the listings that sell them, and buffers."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKeyConstraint, Index, Integer, Text, text

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)

INVENTORY_ITEMS = tenant_table(
    "inventory_items",
    Column("id", Text, primary_key=True),
    Column("product_id", Text, nullable=False),
    Column("sku", Text),
    Column("barcode", Text),
    Column("title", Text),
    #: What there is to sell over all shops; null until somebody says so, and then it is shared.
    Column("stock", BigInteger),
    #: When its shops are to be compared with it.
    Column("due_at", _TIME),
    Column("version", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    ForeignKeyConstraint(["tenant_id", "product_id"], ["products.tenant_id", "products.id"], ondelete="CASCADE"),
    Index("inventory_items_of", "product_id", "tenant_id"),
    Index("inventory_items_due", "due_at", postgresql_where=text("due_at is not null")),
)

INVENTORY_LINKS = tenant_table(
    "inventory_links",
    Column("listing_id", Text, primary_key=True),
    #: The variant's external id.
    Column("variant", Text, primary_key=True),
    Column("item_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("how", Text, nullable=False),
    #: The shop's stock that the item's stock has taken into account, and what was last wanted there.
    Column("seen", BigInteger),
    Column("wanted", BigInteger),
    Column("push_id", Text),
    Column("created_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    ForeignKeyConstraint(["tenant_id", "listing_id"], ["listings.tenant_id", "listings.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["tenant_id", "item_id"], ["inventory_items.tenant_id", "inventory_items.id"], ondelete="CASCADE"
    ),
    Index("inventory_links_of", "item_id", "tenant_id"),
)

STOCK_BUFFERS = tenant_table(
    "stock_buffers",
    Column("connection_id", Text, primary_key=True),
    Column("buffer", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
)
