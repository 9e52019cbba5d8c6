"""Integrations, connections, consents under way, and which tenant holds which account."""

from sqlalchemy import (
    ARRAY,
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
_TEXTS = ARRAY(Text)

integrations = tenant_table(
    "integrations",
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    Column("status", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Column("category", Text, nullable=False, server_default=text("'custom'")),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("icon", Text),
    #: What may be read through it; empty for everything.
    Column("allowed_types", _TEXTS, nullable=False, server_default=text("'{}'")),
    Column("search_enabled", Boolean, nullable=False, server_default=text("true")),
    Column("searchable", _TEXTS, nullable=False, server_default=text("'{}'")),
    Column("user_scoped", Boolean, nullable=False, server_default=text("false")),
    Column("allowed_roles", _TEXTS, nullable=False, server_default=text("'{}'")),
    Column("allowed_users", _TEXTS, nullable=False, server_default=text("'{}'")),
    Column("proxy_enabled", Boolean, nullable=False, server_default=text("false")),
    #: `status` tells of the connection; what a person switched off is shown as disabled whatever that says.
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("enabled_at", _TIME),
    Column("enabled_by", Text),
    Column("last_sync_at", _TIME),
    #: What was read before this time may lack records of types that pass now.
    Column("types_changed_at", _TIME),
    #: A test that somebody asked for runs; one that died is over then.
    Column("testing_until", _TIME),
    #: Since when records wait to be removed that may not pass any more.
    Column("purge_since", _TIME),
    Index("integrations_purge", "purge_since", postgresql_where=text("purge_since is not null")),
    Index("integrations_name", "tenant_id", text("lower(name)")),
)

# How many integrations a tenant has, by provider and by what is shown of them; a trigger on the integrations keeps it.
integration_counts = tenant_table(
    "integration_counts",
    Column("provider", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("total", BigInteger, nullable=False),
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
    #: The end of a refresh token that was used ahead of it, and when: once for each end.
    Column("renewed_for", _TIME),
    Column("renewed_at", _TIME),
    Column("lease_owner", Text),
    Column("lease_until", _TIME),
    Column("sending_since", _TIME),
    Column("uncertain_tries", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", _TIME),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("last_tested_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    #: Whose it is, where it is one person's: the subject for showing, the whole principal for deciding.
    Column("user_id", Text),
    Column("owner_id", Text),
    Column("connected_at", _TIME),
    #: The credentials before a rotation, while the far side may still know only them.
    Column("previous_credentials", LargeBinary),
    Column("previous_until", _TIME),
    Column("next_test_at", _TIME),
    Column("test_failures", Integer, nullable=False, server_default=text("0")),
    Column("test_error", Text),
    ForeignKeyConstraint(["tenant_id", "integration_id"], ["integrations.tenant_id", "integrations.id"]),
    Index("connections_account", "tenant_id", "provider", "external_account_id", unique=True),
    Index("connections_integration", "tenant_id", "integration_id"),
    Index("connections_owner", "owner_id", "tenant_id", postgresql_where=text("owner_id is not null")),
    Index(
        "connections_person",
        "tenant_id",
        "integration_id",
        "owner_id",
        unique=True,
        postgresql_where=text("owner_id is not null"),
    ),
    Index("connections_test", "next_test_at"),
    Index("connections_overlap", "previous_until", postgresql_where=text("previous_until is not null")),
    Index("connections_refresh_ends", "refresh_expires_at", postgresql_where=text("refresh_expires_at is not null")),
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
    # what was filled into the platform's addresses, such as the name of a shop
    Column("account", JSONB, nullable=False, server_default=text("'{}'")),
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

# What a platform is still to be told of a grant that is over; the connection is gone, so there is no key to it.
token_revocations = tenant_table(
    "token_revocations",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("registration_id", Text),
    Column("account", JSONB, nullable=False),
    Column("access", LargeBinary),
    Column("refresh", LargeBinary),
    Column("attempts", Integer, nullable=False),
    Column("due_at", _TIME, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Index("token_revocations_due", "due_at"),
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

# A token by which the tenant's own front end connects one integration, once (security.md OA-02, OA-11).
connect_sessions = tenant_table(
    "connect_sessions",
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    # what the browser proves itself with that showed the token on our own page
    Column("page_hash", LargeBinary),
    Column("integration_id", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("return_url", Text),
    Column("principal", JSONB, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("connection_id", Text),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "integration_id"], ["integrations.tenant_id", "integrations.id"], ondelete="CASCADE"
    ),
    Index("connect_sessions_token", "token_hash", unique=True),
    Index("connect_sessions_page", "page_hash", unique=True, postgresql_where=text("page_hash is not null")),
    Index("connect_sessions_expiry", "expires_at"),
)
