"""Tables of the catalog: what an operator changed of a provider, and app registrations."""

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import platform_table, tenant_table

#: Every tenant reads these rows; only the deployment's own tenant writes them.
PROVIDER_OVERRIDES = platform_table(
    "provider_overrides",
    Column("id", Text, primary_key=True),
    Column("status", Text),
    Column("audience", Text),
    Column("fields", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

REGISTRATIONS = tenant_table(
    "registrations",
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("credentials_sealed", LargeBinary),
    Column("hosts", JSONB, nullable=False),
    Column("bound_to", Text, nullable=False),
    Column("redirect_path", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("tenant_id", "provider"),
)
