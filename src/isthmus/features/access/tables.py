"""Tables of access."""

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    Column("plan", Text),
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

#: The built-in accounts of a tenant; somebody who was removed stays, for the log's sake.
USERS = tenant_table(
    "users",
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("password_hash", Text),
    Column("roles", ARRAY(Text), nullable=False),
    Column("status", Text, nullable=False),
    Column("invitation", LargeBinary),
    Column("invited_until", _TIME),
    Column("created_at", _TIME, nullable=False),
    UniqueConstraint("tenant_id", "email"),
    UniqueConstraint("invitation"),
)
SESSIONS = tenant_table(
    "sessions",
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("seen_at", _TIME, nullable=False),
    Column("ends_at", _TIME, nullable=False),
    ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    UniqueConstraint("digest"),
    Index("sessions_user_idx", "tenant_id", "user_id"),
)
PASSWORD_RESETS = tenant_table(
    "password_resets",
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("until", _TIME, nullable=False),
    ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    UniqueConstraint("digest"),
)
#: Tenants that are being deleted: how many rows of each table went so far. The row goes last, with the tenant's own.
ERASURES = platform_table(
    "tenant_erasures",
    Column("id", Text, primary_key=True),
    Column("asked_at", _TIME, nullable=False),
    Column("erased", JSONB, nullable=False),
)
SIGN_IN_FAILURES = tenant_table(
    "sign_in_failures",
    Column("id", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", _TIME, nullable=False),
)
