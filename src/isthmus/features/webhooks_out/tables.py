"""Endpoints, what is to be delivered to them, what became of it, and when it is due.

`webhook_due` holds nothing but wake-ups of deliveries, in one index, so that it stays cheap under a long-held
snapshot; the truth is the delivery's row. Both it and the leases span tenants by nature and are the system's alone.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import platform_table, tenant_table

_TIME = DateTime(timezone=True)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=sql("0"))


ENDPOINTS = tenant_table(
    "webhook_endpoints",
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("types", JSONB, nullable=False),
    Column("conditions", JSONB, nullable=False),
    Column("scheme", Text, nullable=False),
    Column("public_key", Text),
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary),
    Column("previous_until", _TIME),
    Column("secret_version", Integer, nullable=False),
    Column("headers", LargeBinary),
    Column("header_names", JSONB, nullable=False),
    Column("rate", Integer, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("ordered", Boolean, nullable=False),
    #: Who decides: its owner (unverified, active, paused) or its answers (disabled).
    Column("state", Text, nullable=False),
    Column("state_reason", Text),
    #: How it fares while it is active: healthy, slow or parked.
    Column("health", Text, nullable=False),
    Column("failures", Integer, nullable=False, server_default=sql("0")),
    Column("first_failure_at", _TIME),
    Column("last_failure_at", _TIME),
    Column("last_success_at", _TIME),
    Column("last_error", Text),
    Column("latency_ms", Float, nullable=False, server_default=sql("0")),
    _count("delivered"),
    _count("failed"),
    #: Where one delivery at a time may be planned (ordered or parked): its number.
    Column("head", BigInteger),
    #: The lowest number of a delivery that waits without being planned.
    Column("backlog", BigInteger),
    Column("version", Integer, nullable=False, server_default=sql("1")),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    #: Who made or activated it last; it stops when they may no longer have one (security.md WH-11).
    Column("maker", Text, nullable=False, server_default=sql("''")),
    #: Since when it gets one delivery at a time: the notice before it is disabled went out then.
    Column("parked_at", _TIME),
    #: Whether it was paused without its owner's doing, and nobody was told yet.
    Column("untold", Boolean, nullable=False, server_default=sql("false")),
)

DELIVERIES = tenant_table(
    "webhook_deliveries",
    Column("id", Text, primary_key=True),
    #: Grows with the order of the event log.
    Column("number", BigInteger, nullable=False),
    Column("endpoint_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    #: When it is due; null while nothing is planned. A due row with another time counts for nothing.
    Column("next_at", _TIME),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("created_at", _TIME, nullable=False),
    Column("done_at", _TIME),
    #: Why it is sent: schedule, manual or recovery.
    Column("trigger", Text, nullable=False, server_default=sql("'schedule'")),
    Index("webhook_deliveries_endpoint", "endpoint_id", "number"),
)

#: Partitioned by the day on which its rows are gone; the days lie in the schema `webhook_days`.
ATTEMPTS = tenant_table(
    "webhook_attempts",
    Column("delivery_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("until", Date, primary_key=True),
    Column("trigger", Text, nullable=False),
    Column("at", _TIME, nullable=False),
    Column("url", Text, nullable=False),
    #: The address that was dialled; null where none was reached.
    Column("address", Text),
    Column("signed_at", BigInteger, nullable=False),
    Column("signature", Text, nullable=False),
    #: Names of the endpoint's own headers.
    Column("header_names", JSONB),
    Column("status", Integer),
    Column("response_headers", JSONB),
    Column("response", LargeBinary),
    Column("duration_ms", Integer),
    Column("error", Text),
)
ATTEMPTS.dialect_options["postgresql"]["partition_by"] = "RANGE (until)"

RETENTION = tenant_table(
    "webhook_retention",
    Column("days", Integer, nullable=False),
    Column("changed_at", _TIME, nullable=False),
)

WORKERS = platform_table(
    "webhook_workers",
    Column("owner", Text, primary_key=True),
    Column("until", _TIME, nullable=False),
)

DUE = platform_table(
    "webhook_due",
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", _TIME, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant_id", Text, nullable=False),
    Column("endpoint_id", Text, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
)

SHARDS = platform_table(
    "webhook_shards",
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Text),
    #: Grows with each new owner; what an older one still wants to complete is refused.
    Column("epoch", BigInteger, nullable=False, server_default=sql("0")),
    Column("until", _TIME, nullable=False),
)

RECOVERIES = tenant_table(
    "webhook_recoveries",
    Column("id", Text, primary_key=True),
    Column("endpoint_id", Text, nullable=False),
    Column("since", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("state", Text, nullable=False),
    Column("place", BigInteger, nullable=False, server_default=sql("0")),
    _count("found"),
    Column("created_at", _TIME, nullable=False),
    Column("done_at", _TIME),
)

EVENT_TYPES = tenant_table(
    "webhook_event_types",
    Column("id", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("schema", JSONB, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("version", Integer, nullable=False, server_default=sql("1")),
)
