"""Integrations, connections, consents under way, and which tenant holds which account."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)

integrations = tenant_table(
    "integrations",
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    Column("status", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
)

connections = tenant_table(
    "connections",
    Column("id", Text, primary_key=True),
    Column("integration_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("auth", Text, nullable=False),
    Column("registration_id", Text, nullable=False),
    Column("external_account_id", Text),
    Column("account", JSONB, nullable=False, server_default=text("'{}'")),
    Column("status", Text, nullable=False),
    Column("status_reason", Text),
    Column("hosts_digest", Text),
    Column("access_token", LargeBinary),
    Column("refresh_token", LargeBinary),
    Column("previous_refresh", LargeBinary),
    Column("credentials", LargeBinary),
    Column("scope", Text, nullable=False, server_default=text("''")),
    Column("token_version", BigInteger, nullable=False, server_default=text("0")),
    Column("expires_at", _TIME),
    Column("refresh_expires_at", _TIME),
    Column("lease_owner", Text),
    Column("lease_until", _TIME),
    Column("sending_since", _TIME),
    Column("uncertain_tries", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", _TIME),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("last_tested_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    ForeignKeyConstraint(["tenant_id", "integration_id"], ["integrations.tenant_id", "integrations.id"]),
    Index("connections_account", "tenant_id", "provider", "external_account_id", unique=True),
    Index("connections_integration", "tenant_id", "integration_id"),
)

oauth_flows = tenant_table(
    "oauth_flows",
    Column("key_hash", LargeBinary, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("registration_id", Text, nullable=False),
    Column("registration_version", BigInteger, nullable=False),
    Column("hosts_digest", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("return_url", Text),
    Column("principal_id", Text, nullable=False),
    Column("principal", JSONB, nullable=False),
    Column("verifier", LargeBinary),
    Column("answer", LargeBinary),
    Column("starter_hash", LargeBinary, nullable=False),
    Column("cookie_hash", LargeBinary),
    Column("starter_bound", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
    ),
    Index("oauth_flows_key", "key_hash", unique=True),
    Index("oauth_flows_principal", "tenant_id", "principal_id"),
    Index("oauth_flows_expiry", "expires_at"),
    Index("oauth_flows_connection", "tenant_id", "connection_id"),
)

# One account is held by one tenant. Its unique index spans tenants on purpose: the answer to a conflict is neutral, and
# a reader under row-level security sees its own tenant's claims only (security.md OA-14, TN-09).
account_claims = tenant_table(
    "account_claims",
    Column("provider", Text, primary_key=True),
    Column("external_account_id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
    ),
    Index("account_claims_holder", "provider", "external_account_id", unique=True),
    Index("account_claims_connection", "tenant_id", "connection_id"),
)

return_origins = tenant_table(
    "return_origins",
    Column("origin", Text, primary_key=True),
    Column("created_at", _TIME, nullable=False),
)

# Sums of a connection's calls by the hour, and the newest of its calls that are worth a look. Indexes beside the key
# begin with another column than the tenant: a table that has no statistics yet would be walked by tenant.
connection_hours = tenant_table(
    "connection_hours",
    Column("connection_id", Text, primary_key=True),
    Column("hour", _TIME, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in ("calls", "attempts", "failed", "throttled")),
    *(Column(name, BigInteger, nullable=False) for name in ("waited_ms", "duration_ms")),
    ForeignKeyConstraint(
        ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
    ),
    Index("connection_hours_hour", "hour"),
)

connection_calls = tenant_table(
    "connection_calls",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("at", _TIME, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("level", "method", "route")),
    Column("status", Integer),
    *(Column(name, Text, nullable=False) for name in ("code", "message")),
    Column("attempts", Integer, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
    ),
    Index("connection_calls_of", "connection_id", "tenant_id", "id"),
)
