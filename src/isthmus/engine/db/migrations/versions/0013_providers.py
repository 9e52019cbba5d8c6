"""Providers made at run time, with versions, and the records that have no table of their own."""

from alembic import op

from isthmus.engine.db.migrations.ddl import SYSTEM, TENANT, protect, share

revision = "0013"
down_revision: str | None = "0012"
branch_labels = None
depends_on = None

_OWN = "current_setting('isthmus.tenant')::tenant_key"
_PLATFORM = "ten_platform"
_TABLES = (
    "alter table provider_overrides add column definition jsonb",
    "alter table provider_overrides add column removed boolean not null default false",
    "alter table provider_overrides add column created_at timestamptz",
    """
    create table provider_versions (
      id text not null,
      version bigint not null,
      action text not null,
      state jsonb not null,
      actor text not null,
      at timestamptz not null,
      primary key (id, version)
    )
    """,
    """
    create table shards (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      provider text not null,
      entity text not null,
      shard_type text not null,
      external_id text not null,
      title text not null,
      url text,
      body jsonb not null,
      hash bytea not null,
      version integer not null,
      source_updated_at timestamptz,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      constraint shards_external unique (tenant_id, connection_id, entity, external_id)
    )
    """,
    "create index shards_kind on shards (shard_type, tenant_id, id)",
    "create index shards_updated on shards (updated_at)",
)


def upgrade() -> None:
    """Create the tables."""
    for table in _TABLES:
        op.execute(table)
    protect(op, "shards")
    share(op, "provider_versions", tenant="select, insert")
    op.execute("alter table provider_versions enable row level security")
    op.execute("alter table provider_versions force row level security")
    for verb, clause in (("select", "using"), ("insert", "with check")):
        op.execute(
            f"create policy {verb}_by_platform on provider_versions for {verb} to {TENANT} "
            f"{clause} ({_OWN} = '{_PLATFORM}')"
        )
    op.execute(f"create policy system on provider_versions to {SYSTEM} using (true) with check (true)")


def downgrade() -> None:
    """Drop the tables."""
    op.execute("drop table shards")
    op.execute("drop table provider_versions")
    for column in ("created_at", "removed", "definition"):
        op.execute(f"alter table provider_overrides drop column {column}")
