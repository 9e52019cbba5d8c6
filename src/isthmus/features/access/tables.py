"""Tables of access."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.engine.db import platform_table, tenant_table

_TIME = DateTime(timezone=True)

#: Row-level security lets a tenant read its own row; the deployment's own tenant reads and writes all.
TENANTS = platform_table(
    "tenants",
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("slug"),
)

#: The key itself is kept nowhere: `digest` is its SHA-256, unguessable and therefore unique over all tenants.
API_KEYS = tenant_table(
    "api_keys",
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("last4", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("creator_roles", ARRAY(Text), nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME),
    Column("last_used_at", _TIME),
    Column("revoked_at", _TIME),
    Column("replaced_by", Text),
    UniqueConstraint("digest"),
    Index("api_keys_creator_idx", "tenant_id", "created_by"),
)
