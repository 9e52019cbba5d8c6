"""What is to be done with orders at their platforms, and what became of each line."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKeyConstraint, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)
_NONE = text("0")
_NO = text("false")

ORDER_ACTIONS = tenant_table(
    "order_actions",
    Column("id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    #: The order's id at its platform, and its number for people.
    Column("external_id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("lines", ARRAY(Text), nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    #: A person wants it sent even where nobody can tell whether it happened.
    Column("forced", Boolean, nullable=False, server_default=_NO),
    #: Requests whose effect is not known to be none; more than one makes a refusal doubtful.
    Column("sends", Integer, nullable=False, server_default=_NONE),
    #: When the last of them was about to leave, written before it left; null where nothing is in doubt.
    Column("sent_at", _TIME),
    #: Grows with each worker that takes the action; a commit with an older one writes nothing.
    Column("fence", BigInteger, nullable=False, server_default=_NONE),
    Column("owner", Text),
    Column("lease_until", _TIME),
    #: Waits until the connection's sign-in works again.
    Column("parked", Boolean, nullable=False, server_default=_NO),
    Column("retry_at", _TIME),
    Column("attempts", Integer, nullable=False, server_default=_NONE),
    Column("deaths", Integer, nullable=False, server_default=_NONE),
    Column("done", Integer, nullable=False, server_default=_NONE),
    Column("failed", Integer, nullable=False, server_default=_NONE),
    Column("error_code", Text),
    Column("error_message", Text),
    #: The order's canonical status when the action was asked for, and after it where that is known.
    Column("status_before", Text, nullable=False),
    Column("status_after", Text),
    Column("requested_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("finished_at", _TIME),
    #: The database's own clock.
    Column("changed_at", _TIME, nullable=False),
    Index(
        "order_actions_live",
        "tenant_id",
        "order_id",
        unique=True,
        postgresql_where=text("state in ('waiting', 'sending', 'unsure')"),
    ),
    Index("order_actions_order", "order_id", "id"),
    Index("order_actions_connection", "connection_id", "id"),
    Index("order_actions_due", "changed_at", postgresql_where=text("state in ('waiting', 'sending')")),
)

ORDER_ACTION_ITEMS = tenant_table(
    "order_action_items",
    Column("action_id", Text, primary_key=True),
    #: A line or a unit of it by the platform's id, or the action's own id where the platform answers as a whole.
    Column("external_id", Text, primary_key=True),
    Column("result", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "action_id"],
        ["order_actions.tenant_id", "order_actions.id"],
        name="order_action_items_action",
        ondelete="CASCADE",
    ),
)
