"""Sync runs with their place and progress, what they could not read, and how far each connection has been read.

Beside them: single records that somebody wants read anew, and what full reads no longer found.
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
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)
# As in records: indexes beside the keys do not begin with the tenant.
_LIVE = text("state in ('queued', 'running', 'cancelling')")


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


SYNC_RUNS = tenant_table(
    "sync_runs",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False),
    #: What the whole run covers; `since` is null for everything.
    Column("since", _TIME),
    Column("until", _TIME, nullable=False),
    #: The place: the connector's own cursor of the next page (null: the beginning).
    Column("cursor", Text),
    #: Grows with each worker that takes the run; a commit with an older one writes nothing.
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("owner", Text),
    Column("lease_until", _TIME),
    Column("retry_at", _TIME),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("deaths", Integer, nullable=False, server_default=text("0")),
    Column("pages_at_claim", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger),
    _count("pages"),
    _count("records"),
    _count("listings"),
    _count("variants"),
    _count("created"),
    _count("updated"),
    _count("unchanged"),
    _count("failed"),
    _count("retries"),
    _count("throttled"),
    _count("waited_ms"),
    Column("waiting_until", _TIME),
    Column("waiting_reason", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("requested_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("started_at", _TIME),
    Column("finished_at", _TIME),
    #: The database's own clock: the place of a progress stream.
    Column("changed_at", _TIME, nullable=False),
    #: A rehearsal: what it would have written is counted and listed, nothing is changed.
    Column("dry_run", Boolean, nullable=False, server_default=text("false")),
    #: The run whose failed records alone are read.
    Column("retry_of", Text),
    #: Of a full read: what was last changed before this moment should have been read before; what was not is drift.
    Column("judged_before", _TIME),
    _count("drift_created"),
    _count("drift_updated"),
    _count("drift_missing"),
    Index("sync_runs_live", "tenant_id", "connection_id", "entity", unique=True, postgresql_where=_LIVE),
    Index("sync_runs_connection", "connection_id", "entity", "id"),
    Index("sync_runs_changed", "changed_at"),
    Index("sync_runs_stalled", "lease_until", postgresql_where=_LIVE),
    Index(
        "sync_runs_full",
        "tenant_id",
        "connection_id",
        postgresql_where=text("state = 'parked' and error_code = 'STORE_FULL'"),
    ),
)

SYNC_ERRORS = tenant_table(
    "sync_errors",
    Column("id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    #: What the platform sent, cut at a size limit; never text, because it may be no valid text at all.
    Column("payload", LargeBinary, nullable=False),
    Column("created_at", _TIME, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "run_id"], ["sync_runs.tenant_id", "sync_runs.id"], name="sync_errors_run", ondelete="CASCADE"
    ),
    Index("sync_errors_of_run", "run_id", "id"),
)

SYNC_CURSORS = tenant_table(
    "sync_cursors",
    Column("connection_id", Text, primary_key=True),
    Column("entity", Text, primary_key=True),
    #: Taken before the read of the last cycle that ended; null after it was lost.
    Column("watermark", _TIME),
    Column("run_id", Text, nullable=False),
    Column("updated_at", _TIME, nullable=False),
)

SYNC_REFRESHES = tenant_table(
    "sync_refreshes",
    Column("connection_id", Text, primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    #: The newest time of change that anybody has heard of, by the platform's clock.
    Column("seen", _TIME),
    #: Grows with each request, so that one made while the record is being read is not taken for answered.
    Column("asked", BigInteger, nullable=False, server_default=text("1")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    #: Null while the connection's sign-in is dead.
    Column("due_at", _TIME),
    Column("lease_until", _TIME),
    Column("created_at", _TIME, nullable=False),
    Index("sync_refreshes_due", "due_at", postgresql_where=text("due_at is not null")),
)

SYNC_SEEN = tenant_table(
    "sync_seen",
    Column("run_id", Text, primary_key=True),
    Column("page", BigInteger, primary_key=True),
    #: What a full read has met, page by page; gone when the run has ended.
    Column("external_ids", ARRAY(Text), nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "run_id"], ["sync_runs.tenant_id", "sync_runs.id"], name="sync_seen_run", ondelete="CASCADE"
    ),
)

SYNC_SUSPECTS = tenant_table(
    "sync_suspects",
    Column("id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("decided_by", Text),
    Column("created_at", _TIME, nullable=False),
    Column("decided_at", _TIME),
    Index(
        "sync_suspects_open",
        "tenant_id",
        "connection_id",
        "entity",
        "external_id",
        unique=True,
        postgresql_where=text("state in ('open', 'waiting')"),
    ),
    Index("sync_suspects_run", "run_id", "id"),
)

SYNC_CHANGES = tenant_table(
    "sync_changes",
    Column("run_id", Text, primary_key=True),
    Column("page", BigInteger, primary_key=True),
    Column("external_id", Text, primary_key=True),
    #: What a rehearsed run would have done: created or updated.
    Column("change", Text, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "run_id"], ["sync_runs.tenant_id", "sync_runs.id"], name="sync_changes_run", ondelete="CASCADE"
    ),
)
