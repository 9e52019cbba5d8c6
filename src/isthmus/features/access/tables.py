"""Tables of access."""

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
    text,
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
    Column("origins", ARRAY(Text), nullable=False),
    Column("per_minute", Integer),
    Column("found_at", _TIME),
    Column("revoke_when_found", Boolean, nullable=False),
    UniqueConstraint("digest"),
    Index("api_keys_creator_idx", "tenant_id", "created_by"),
)

#: The built-in accounts of a tenant or of the deployment; somebody who was removed stays, for the log's sake.
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
    Column("invited_by", Text),
    Index("users_email_idx", "tenant_id", "email", unique=True, postgresql_where=text("status <> 'removed'")),
    UniqueConstraint("invitation"),
)
#: Sessions of members, and of people of another issuer, who have no `user_id` and bring their roles with them.
SESSIONS = tenant_table(
    "sessions",
    Column("id", Text, primary_key=True),
    Column("user_id", Text),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("seen_at", _TIME, nullable=False),
    Column("ends_at", _TIME, nullable=False),
    Column("kind", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("roles", ARRAY(Text)),
    Column("proved_at", _TIME, nullable=False),
    Column("strong", Boolean, nullable=False),
    ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    UniqueConstraint("digest"),
    Index("sessions_user_idx", "tenant_id", "user_id"),
    Index("sessions_subject_idx", "tenant_id", "issuer", "subject"),
    Index("sessions_ends_idx", "ends_at"),
    Index("sessions_seen_idx", "seen_at"),
)
#: What gives a member's codes; its id is the member's. It counts once it is confirmed.
SECOND_FACTORS = tenant_table(
    "second_factors",
    Column("id", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("confirmed_at", _TIME),
    Column("last_step", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant_id", "id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
)
#: What a tenant leaves of the roles that another issuer gives somebody.
ISSUER_ACCOUNTS = tenant_table(
    "issuer_accounts",
    Column("id", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", _TIME, nullable=False),
    UniqueConstraint("tenant_id", "issuer", "subject"),
)
#: Whose login at another issuer somebody's is: the issuer and its `sub`, and never an address (OA-19).
USER_IDENTITIES = tenant_table(
    "user_identities",
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("linked_at", _TIME, nullable=False),
    ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    Index("user_identities_user_idx", "tenant_id", "user_id"),
)
#: Logins on their way: `id` is the state's digest, `browser` that of the cookie. Nobody is known yet, so no tenant is,
#: unless `member` adds the login to what opens their account; `session` is theirs.
LOGIN_ATTEMPTS = platform_table(
    "login_attempts",
    Column("id", LargeBinary, primary_key=True),
    Column("browser", LargeBinary, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("invitation", LargeBinary),
    Column("return_to", Text, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("member", Text),
    Column("session", Text),
    Index("login_attempts_until_idx", "until"),
    Index("login_attempts_member_idx", "tenant", "member", postgresql_where=text("member is not null")),
)
#: Issuers that people sign in at, beside those of the environment; rows of the deployment's own tenant. `id`: the name.
LOGIN_ISSUERS = tenant_table(
    "login_issuers",
    Column("id", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("secret_sealed", LargeBinary),
    Column("algorithms", ARRAY(Text), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    UniqueConstraint("tenant_id", "issuer"),
)
#: When an operator of the deployment was inside a tenant, and why.
BREAK_GLASSES = tenant_table(
    "break_glasses",
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("begun_at", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("ended_at", _TIME),
    Column("ended_by", Text),
    Column("session", Text),
    UniqueConstraint("digest"),
)
PASSWORD_RESETS = tenant_table(
    "password_resets",
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("offered_by", Text),
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
    Index("sign_in_failures_until_idx", "until"),
)
