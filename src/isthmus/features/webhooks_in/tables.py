"""Sources, what came in at them, and how far it has been worked off.

A delivery belongs to its source's tenant until it is routed; then to the tenant of the connection that it is about.
"""

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
    UniqueConstraint,
)
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
    #: JMESPath over the body: what is not true of it reaches no handler, and what handlers are given instead of it.
    Column("filter", Text),
    Column("transform", Text),
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
    #: What it is for: what a platform signs with, or what it shows to prove an address.
    Column("purpose", Text, nullable=False, server_default=sql("'signature'")),
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

#: Partitioned by day through the id, which begins with its time; the days lie in the schema `inbound_days`.
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
    Column("reason", Text),
    Column("run_id", Text),
    Column("replays", Integer, nullable=False, server_default=sql("0")),
    Column("done_at", _TIME),
    #: Simulated, and meant to reach the handlers all the same.
    Column("rehearsed", Boolean, nullable=False, server_default=sql("false")),
    Index("webhook_inbox_received", "source_id", "id", postgresql_where=sql("state = 'received'")),
    Index("webhook_inbox_connection", "connection_id", "id", postgresql_where=sql("connection_id is not null")),
)
INBOX.dialect_options["postgresql"]["partition_by"] = "RANGE (id)"

_OPEN = sql("state in ('waiting', 'handling')")


def _of_source(table: str) -> ForeignKeyConstraint:
    ends = ["webhook_sources.tenant_id", "webhook_sources.id"]
    return ForeignKeyConstraint(["tenant_id", "source_id"], ends, name=f"{table}_source", ondelete="CASCADE")


#: What a tenant wants done with deliveries, besides what is built in.
HANDLERS = tenant_table(
    "webhook_handlers",
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("source_id", Text),
    Column("pattern", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("filter", Text),
    Column("transform", Text),
    #: Seconds between attempts; null: those of the settings.
    Column("retries", JSONB),
    Column("ordered_by", Text),
    Column("paused", Boolean, nullable=False),
    Column("version", Integer, nullable=False, server_default=sql("1")),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    _of_source("webhook_handlers"),
    Index("webhook_handlers_of_source", "tenant_id", "source_id"),
)

#: Functions that services register, by the name that keeps their place: planned for by every process, called by those
#: that have them, of which one says so every half minute (`offered_at`). `missed_at`: it was told that none does.
FUNCTIONS = tenant_table(
    "webhook_functions",
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("retries", JSONB),
    Column("ordered_by", Text),
    Column("created_at", _TIME, nullable=False),
    Column("offered_at", _TIME, nullable=False),
    Column("missed_at", _TIME),
    Column("retired_at", _TIME),
    UniqueConstraint("tenant_id", "name", name="webhook_functions_of"),
)

#: What one handler has to do with one delivery, and how far it is. `key` is what wakes its worker; tasks of one lane
#: are worked off one after the other; a gated one waits for the first attempt of those with a lower priority number.
TASKS = tenant_table(
    "webhook_tasks",
    Column("delivery_id", Text, primary_key=True),
    Column("handler", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("lane", Text),
    Column("gated", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    #: When it is due; while it is handled: when its worker is believed dead.
    Column("next_at", _TIME),
    Column("reason", Text),
    Column("run_id", Text),
    Column("result", JSONB),
    Column("done_at", _TIME),
    Index("webhook_tasks_open", "tenant_id", "key", "delivery_id", postgresql_where=_OPEN),
    Index(
        "webhook_tasks_lanes",
        "tenant_id",
        "key",
        "lane",
        "delivery_id",
        postgresql_where=sql("state in ('waiting', 'handling') and lane is not null"),
    ),
    Index("webhook_tasks_due", "next_at", postgresql_where=_OPEN),
    Index("webhook_tasks_done", "done_at", postgresql_using="brin"),
)

#: What a platform was asked to push for an app, what it said when it was last asked, and how far its queue was read:
#: the place moves with the commit of what was read, and is confirmed after it.
SUBSCRIPTIONS = tenant_table(
    "webhook_subscriptions",
    Column("provider", Text, primary_key=True),
    Column("registration_id", Text, primary_key=True),
    Column("source_id", Text),
    Column("sealed_url", LargeBinary),
    Column("topics", JSONB, nullable=False),
    Column("far_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    Column("next_at", _TIME),
    Column("checked_at", _TIME),
    Column("repaired_at", _TIME),
    Column("queue", Text),
    Column("place", Text, nullable=False),
    Column("pull_at", _TIME),
    Column("pulled_at", _TIME),
    _count("pulled"),
    Column("created_at", _TIME, nullable=False),
    _of_source("webhook_subscriptions"),
    Index("webhook_subscriptions_of_source", "tenant_id", "source_id"),
)

#: Connections whose news are to come: due when they were made or ended, until the platform has been told.
ENROLMENTS = tenant_table(
    "webhook_enrolments",
    Column("connection_id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("registration_id", Text, nullable=False),
    #: The tenant that holds the app: the deployment's own, or the connection's.
    Column("held_by", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    Column("next_at", _TIME),
    Column("reason", Text),
    Index("webhook_enrolments_due", "next_at", postgresql_where=sql("next_at is not null")),
)

#: Tenants that are suspended: what comes in for them is kept, and worked off when they are let in again.
HALTS = tenant_table("webhook_halts", Column("since", _TIME, nullable=False))

#: Partitioned by the days of their deliveries.
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
STEPS.dialect_options["postgresql"]["partition_by"] = "RANGE (delivery_id)"

#: Wakes the router once for a burst: `wanted` grows with each delivery, `seen` follows when everything is routed.
#: `since` is the least id that is not, so that the router looks at no older day; null: everything is.
MAIL = tenant_table(
    "webhook_mail",
    Column("source_id", Text, primary_key=True),
    _count("wanted"),
    _count("seen"),
    _count("repeats"),
    Column("last_at", _TIME),
    Column("since", Text),
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
