"""Files that were sent, their parts, what could not be read in them, saved mappings, and how products are synced."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


UPLOADS = tenant_table(
    "uploads",
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("format", Text),
    Column("mapping", JSONB),
    Column("currency", Text, nullable=False),
    Column("decimal_sign", Text, nullable=False),
    Column("size", BigInteger),
    _count("received"),
    Column("digest", Text),
    Column("kind", Text),
    Column("encoding", Text),
    #: `checking` reads and writes nothing, `writing` writes; all-or-nothing goes through both.
    Column("phase", Text, nullable=False, server_default=text("'checking'")),
    #: How far the phase has got: the place behind the last product that is done, and its line.
    _count("place"),
    _count("line"),
    #: How much of the file the phase has done, from 0 to 1; null before its first page.
    Column("share", Float),
    _count("rows"),
    _count("products"),
    _count("created"),
    _count("updated"),
    _count("unchanged"),
    _count("failed"),
    _count("errors"),
    #: Grows with each worker that takes the upload; a commit with an older one writes nothing.
    _count("fence"),
    Column("lease_until", _TIME),
    Column("deaths", Integer, nullable=False, server_default=text("0")),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("requested_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("changed_at", _TIME, nullable=False),
    Column("started_at", _TIME),
    Column("finished_at", _TIME),
    Index("uploads_changed", "changed_at"),
    Index(
        "uploads_open",
        "changed_at",
        postgresql_where=text("state in ('receiving', 'queued', 'running', 'cancelling')"),
    ),
)

UPLOAD_PARTS = tenant_table(
    "upload_parts",
    Column("upload_id", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("blob_id", Text, nullable=False),
    ForeignKeyConstraint(["tenant_id", "upload_id"], ["uploads.tenant_id", "uploads.id"], ondelete="CASCADE"),
)

UPLOAD_ERRORS = tenant_table(
    "upload_errors",
    Column("upload_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("line", BigInteger, nullable=False),
    Column("column_name", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["tenant_id", "upload_id"], ["uploads.tenant_id", "uploads.id"], ondelete="CASCADE"),
)

UPLOAD_MAPPINGS = tenant_table(
    "upload_mappings",
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("format", JSONB, nullable=False),
    Column("created_at", _TIME, nullable=False),
    UniqueConstraint("tenant_id", "name", name="upload_mappings_name"),
)

PRODUCT_SYNC_CONFIGS = tenant_table(
    "product_sync_configs",
    Column("enabled", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("connection_id", Text),
    Column("schedule", Text),
    Column("next_at", _TIME),
    Column("mapping_id", Text),
    Column("mode", Text, nullable=False),
    Column("on_error", Text, nullable=False),
    Column("conflict_rule", Text, nullable=False),
    Column("webhook_secret", LargeBinary),
    Column("version", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
)
