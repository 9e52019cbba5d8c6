"""Tables of the catalog: what operators changed of providers, or propose to change, and app registrations."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    #: The whole manifest of a provider that was made at run time; none for one that came as a folder.
    Column("definition", JSONB),
    #: Taken out of the catalog; connections that use it go on.
    Column("removed", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", DateTime(timezone=True)),
)

#: What an operator made of a provider, step by step; only the deployment's own tenant sees and adds rows.
PROVIDER_VERSIONS = platform_table(
    "provider_versions",
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("action", Text, nullable=False),
    Column("state", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
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

#: Changes that wait for a second person; rows of the deployment's own tenant. Credentials go once it is decided.
PROVIDER_PROPOSALS = tenant_table(
    "provider_proposals",
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("wish", JSONB, nullable=False),
    Column("credentials_sealed", LargeBinary),
    Column("differences", JSONB, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("decided_by", Text),
    Column("decided_at", DateTime(timezone=True)),
    Index("provider_proposals_open", "until", postgresql_where=text("state = 'open'")),
)
