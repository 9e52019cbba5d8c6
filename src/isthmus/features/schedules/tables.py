"""When each entity of each connection is read."""

from sqlalchemy import Column, DateTime, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)

SCHEDULES = tenant_table(
    "schedules",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("entity", Text, nullable=False),
    #: What is started: changes only, or everything, to reconcile; each has its own times.
    Column("mode", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("next_at", _TIME),
    #: A start that was taken from the list and not yet made; who takes it makes it once.
    Column("wanted_at", _TIME),
    Column("last_at", _TIME),
    Column("last_run_id", Text),
    Column("version", Integer, nullable=False),
    UniqueConstraint("tenant_id", "connection_id", "entity", "mode", name="schedules_of"),
    Index("schedules_due", "next_at", postgresql_where=text("state = 'active'")),
    Index("schedules_wanted", "wanted_at", postgresql_where=text("wanted_at is not null")),
)
