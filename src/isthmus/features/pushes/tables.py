"""What is to be written at far sides: edits that live, the pushes that asked for them, and conflicts."""

from sqlalchemy import Boolean, Column, DateTime, ForeignKeyConstraint, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)

PUSHES = tenant_table(
    "pushes",
    Column("id", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("items", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("finished_at", _TIME),
)

#: One row for each field that is to have another value at its far side, until it has it; a newer wish overwrites it.
EDITS = tenant_table(
    "edits",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("listing_id", Text, nullable=False),
    #: The variant's external id; empty for fields of the listing.
    Column("variant", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("location", Text, nullable=False),
    #: Values are lists of one: a base that is null is not known, and a base that holds null is no value.
    Column("value", JSONB, nullable=False),
    Column("currency", Text, nullable=False),
    Column("base", JSONB),
    #: What may be there because it was sent and nobody knows how it went.
    Column("sent", JSONB),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("due_at", _TIME),
    Column("claim", Text),
    Column("lease_until", _TIME),
    Column("wanted_at", _TIME, nullable=False),
    Column("requested_by", Text, nullable=False),
    UniqueConstraint("tenant_id", "listing_id", "variant", "field", "location", name="edits_of"),
    ForeignKeyConstraint(["tenant_id", "listing_id"], ["listings.tenant_id", "listings.id"], ondelete="CASCADE"),
    Index("edits_due", "tenant_id", "connection_id", "due_at", "id", postgresql_where=text("due_at is not null")),
    Index("edits_claimed", "tenant_id", "claim", postgresql_where=text("claim is not null")),
)

PUSH_ITEMS = tenant_table(
    "push_items",
    Column("push_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("edit_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("listing_id", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text),
    Column("reason", Text),
    Column("finished_at", _TIME),
    ForeignKeyConstraint(["tenant_id", "push_id"], ["pushes.tenant_id", "pushes.id"], ondelete="CASCADE"),
    Index("push_items_of", "listing_id", "variant", "field"),
    Index("push_items_open", "edit_id", "version", postgresql_where=text("state = 'waiting'")),
)

CONFLICTS = tenant_table(
    "conflicts",
    Column("id", Text, primary_key=True),
    Column("edit_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("listing_id", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("base", JSONB),
    Column("ours", JSONB, nullable=False),
    Column("theirs", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("winner", Text),
    Column("value", JSONB),
    Column("automatic", Boolean, nullable=False),
    Column("decided_by", Text),
    Column("created_at", _TIME, nullable=False),
    Column("decided_at", _TIME),
    Index("conflicts_open", "tenant_id", "edit_id", unique=True, postgresql_where=text("state = 'open'")),
    Index("conflicts_of_connection", "connection_id", "id"),
)

#: By field; of one connection, or of all of the tenant's where `connection_id` is empty.
CONFLICT_RULES = tenant_table(
    "conflict_rules",
    Column("connection_id", Text, primary_key=True),
    Column("rules", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
)
