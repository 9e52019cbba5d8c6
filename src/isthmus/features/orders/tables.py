"""Orders with their lines and shipments, who bought, and states that nobody knew.

Personal data stands in sealed columns alone: `personal` and `raw`; both are empty once they were erased.
"""

from sqlalchemy import (
    BigInteger,
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
_CLEAR = text("redacted_at is null")

CUSTOMERS = tenant_table(
    "customers",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    #: Name, address of mail and telephone, sealed.
    Column("personal", LargeBinary),
    Column("first_order_at", _TIME),
    Column("last_order_at", _TIME),
    Column("redacted_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    UniqueConstraint("tenant_id", "connection_id", "external_id", name="customers_external"),
    Index("customers_last_order", "last_order_at", postgresql_where=_CLEAR),
)

ORDERS = tenant_table(
    "orders",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("customer_id", Text),
    Column("status", Text, nullable=False),
    Column("platform_status", Text, nullable=False),
    Column("payment_status", Text, nullable=False),
    Column("fulfilment_status", Text, nullable=False),
    #: When the platform does not tell: when the order was first seen.
    Column("placed_at", _TIME, nullable=False),
    Column("currency", Text, nullable=False),
    Column("grand_total", Numeric, nullable=False),
    #: By how much the parts miss the total; null where the money adds up to the cent.
    Column("money_gap", Numeric),
    Column("line_count", Integer, nullable=False),
    Column("country", Text),
    #: The canonical order without personal data, whose bytes `hash` was made from.
    Column("body", JSONB, nullable=False),
    #: Customer, addresses and the buyer's note, sealed; and the exact bytes that the platform sent, sealed.
    Column("personal", LargeBinary),
    Column("raw", LargeBinary),
    Column("raw_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("platform_updated_at", _TIME),
    Column("redacted_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    UniqueConstraint("tenant_id", "connection_id", "external_id", name="orders_external"),
    ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"], name="orders_customer"),
    Index("orders_of_customer", "customer_id", "tenant_id", postgresql_where=text("customer_id is not null")),
    Index("orders_number", "number", "tenant_id"),
    Index("orders_placed", "tenant_id", "placed_at", "id"),
    Index("orders_personal", "placed_at", postgresql_where=_CLEAR),
)

ORDER_LINES = tenant_table(
    "order_lines",
    Column("id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("product_external_id", Text),
    Column("variant_external_id", Text),
    Column("sku", Text),
    Column("title", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("unit_price", Numeric, nullable=False),
    Column("line_total", Numeric, nullable=False),
    Column("status", Text, nullable=False),
    UniqueConstraint("tenant_id", "order_id", "external_id", name="order_lines_external"),
    ForeignKeyConstraint(
        ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name="order_lines_order", ondelete="CASCADE"
    ),
    Index("order_lines_sku", "sku", "tenant_id", "connection_id", postgresql_where=text("sku is not null")),
)

SHIPMENTS = tenant_table(
    "shipments",
    Column("id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("platform_status", Text, nullable=False),
    Column("carrier", Text),
    Column("tracking_number", Text),
    Column("shipped_at", _TIME),
    Column("delivered_at", _TIME),
    UniqueConstraint("tenant_id", "order_id", "external_id", name="shipments_external"),
    ForeignKeyConstraint(
        ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name="shipments_order", ondelete="CASCADE"
    ),
    Index("shipments_tracking", "tracking_number", postgresql_where=text("tracking_number is not null")),
)

ORDER_STATUSES = tenant_table(
    "order_statuses",
    Column("provider", Text, primary_key=True),
    #: A status that no connector knew, and the first order that bore it.
    Column("platform_status", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("seen_at", _TIME, nullable=False),
)
