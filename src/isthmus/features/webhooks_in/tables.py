"""Sources, what came in at them, and how far it has been worked off.

A delivery belongs to its source's tenant until it is routed; then to the tenant of the connection that it is about.
"""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKeyConstraint, Index, Integer, LargeBinary, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import platform_table, tenant_table

_TIME = DateTime(timezone=True)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=sql("0"))


SOURCES = tenant_table(
    "webhook_sources",
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("name", Text, nullable=False),
    #: Whose news it brings; null where one address serves every shop of an app.
    Column("connection_id", Text),
    #: Whether the app registration's secret counts beside the source's own.
    Column("uses_app", Boolean, nullable=False),
    Column("app", JSONB, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("first_verified_at", _TIME),
    Column("version", Integer, nullable=False, server_default=sql("1")),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
)

SECRETS = tenant_table(
    "webhook_secrets",
    Column("id", Text, primary_key=True),
    Column("source_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "source_id"],
        ["webhook_sources.tenant_id", "webhook_sources.id"],
        name="webhook_secrets_source",
        ondelete="CASCADE",
    ),
    Index("webhook_secrets_of_source", "tenant_id", "source_id"),
)

# Looked up by the hash of the token before anybody knows whose request it is.
TOKENS = platform_table(
    "webhook_tokens",
    Column("token_hash", LargeBinary, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("expires_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "source_id"],
        ["webhook_sources.tenant_id", "webhook_sources.id"],
        name="webhook_tokens_source",
        ondelete="CASCADE",
    ),
    Index("webhook_tokens_of_source", "tenant_id", "source_id"),
)

#: The ledger: one narrow row for each event, so that a repeat takes no effect.
SEEN = platform_table(
    "webhook_seen",
    Column("digest", LargeBinary, primary_key=True),
    Column("at", _TIME, nullable=False),
    Index("webhook_seen_at", "at", postgresql_using="brin"),
)

INBOX = tenant_table(
    "webhook_inbox",
    Column("id", Text, primary_key=True),
    Column("source_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("received_at", _TIME, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("verdict", JSONB, nullable=False),
    Column("topic", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("occurred_at", _TIME),
    Column("simulated", Boolean, nullable=False),
    Column("connection_id", Text),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    Column("next_at", _TIME),
    Column("lease_until", _TIME),
    Column("reason", Text),
    Column("run_id", Text),
    Column("replays", Integer, nullable=False, server_default=sql("0")),
    Column("done_at", _TIME),
    Index("webhook_inbox_received", "source_id", "id", postgresql_where=sql("state = 'received'")),
    Index("webhook_inbox_due", "next_at", postgresql_where=sql("state in ('waiting', 'handling')")),
    Index("webhook_inbox_connection", "connection_id", "id"),
)

STEPS = tenant_table(
    "webhook_steps",
    Column("delivery_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("at", _TIME, nullable=False),
    Column("what", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("message", Text),
    Column("run_id", Text),
)

#: Wakes the router once for a burst: `wanted` grows with each delivery, `seen` follows when everything is routed.
MAIL = tenant_table(
    "webhook_mail",
    Column("source_id", Text, primary_key=True),
    _count("wanted"),
    _count("seen"),
    _count("repeats"),
    Column("last_at", _TIME),
)

#: Unlogged and short: what was refused, for the person who looks for the reason.
REFUSED = tenant_table(
    "webhook_refused",
    Column("source_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("at", _TIME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

REPLAYS = tenant_table(
    "webhook_replays",
    Column("id", Text, primary_key=True),
    Column("filters", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    _count("done"),
    Column("requested_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("done_at", _TIME),
)
