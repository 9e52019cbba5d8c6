"""The audit log reads the event log through two indexes, and seals it by checkpoints of its own."""

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.engine.bus import EVENTS
from isthmus.engine.bus.log import TransactionId
from isthmus.engine.db import platform_table, tenant_table

_TIME = DateTime(timezone=True)

AUDITED = Index("events_audited_idx", EVENTS.c.tenant_id, EVENTS.c.id, postgresql_where=EVENTS.c.audited)
SEALING = Index("events_sealing_idx", EVENTS.c.xid, EVENTS.c.id, postgresql_where=EVENTS.c.audited)

#: The keys that checkpoints are signed with; the private half is sealed by the vault.
KEYS = tenant_table(
    "audit_keys",
    Column("id", Text, primary_key=True),
    Column("public", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", _TIME, nullable=False),
)
#: Settings that weaken the deployment, since when and until when; rows of its own tenant.
WEAK_SETTINGS = tenant_table(
    "weak_settings",
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("since", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
)
#: `leaves` holds the hashes of the sealed rows, 32 bytes each, and `tenants` whose each one is. Both outlive the rows
#: of a tenant that is erased: a leaf tells nothing of what it commits to, because the row's id goes with it. Numbers of
#: transactions begin anew where the database is restored elsewhere: an `epoch` begins, of what is behind `floor_id`.
CHECKPOINTS = platform_table(
    "audit_checkpoints",
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("made_at", _TIME, nullable=False),
    Column("first_xid", TransactionId, nullable=False),
    Column("first_id", Text, nullable=False),
    Column("last_xid", TransactionId, nullable=False),
    Column("last_id", Text, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("tenants", ARRAY(Text), nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("floor_id", Text, nullable=False),
)
