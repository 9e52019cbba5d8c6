"""The rest of access and the sealed audit log."""

from alembic import op

from isthmus.engine.db.migrations.ddl import SYSTEM, protect, share

revision = "0016"
down_revision: str | None = "0015"
branch_labels = None
depends_on = None

_TABLES = (
    "alter table tenants add column plan text",
    "create index events_sealing_idx on events (xid, id) where audited",
    """
    create table audit_keys (
      tenant_id text not null,
      id text not null,
      public bytea not null,
      sealed bytea not null,
      created_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    """
    create table audit_checkpoints (
      number bigint not null primary key,
      made_at timestamptz not null,
      first_xid xid8 not null,
      first_id text not null,
      last_xid xid8 not null,
      last_id text not null,
      leaves bytea not null,
      tenants text[] not null,
      root bytea not null,
      previous bytea not null,
      key_id text not null,
      signature bytea not null
    )
    """,
    """
    create table password_resets (
      tenant_id text not null,
      id text not null,
      user_id text not null,
      digest bytea not null,
      until timestamptz not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
      constraint password_resets_digest_key unique (digest)
    )
    """,
    """
    create table tenant_erasures (
      id text not null primary key,
      asked_at timestamptz not null,
      erased jsonb not null
    )
    """,
)
#: What is audited goes only with a tenant that is being deleted, whatever the statement says; the rest when it is old.
_ERASE = f"""
create policy erasure on events as restrictive for delete to {SYSTEM}
  using (not audited or exists (select from tenants t where t.id = events.tenant_id and t.status = 'deleting'))
"""


def upgrade() -> None:
    """Create the tables."""
    for table in _TABLES:
        op.execute(table)
    for name in ("audit_keys", "password_resets"):
        protect(op, name)
    share(op, "audit_checkpoints", system="select, insert")
    share(op, "tenant_erasures")
    op.execute(_ERASE)
    op.execute(f"grant delete on events to {SYSTEM}")


def downgrade() -> None:
    """Drop the tables."""
    op.execute(f"revoke delete on events from {SYSTEM}")
    op.execute("drop policy erasure on events")
    for name in ("tenant_erasures", "password_resets", "audit_checkpoints", "audit_keys"):
        op.execute(f"drop table {name}")
    op.execute("drop index events_sealing_idx")
    op.execute("alter table tenants drop column plan")
