"""Uploads and product sync configurations."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0019"
down_revision: str | None = "0018"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table uploads (
      tenant_id text not null,
      id text not null,
      name text not null,
      origin text not null,
      state text not null,
      mode text not null,
      format text,
      mapping jsonb,
      currency text not null,
      decimal_sign text not null,
      size bigint,
      received bigint not null default 0,
      digest text,
      kind text,
      encoding text,
      phase text not null default 'checking',
      place bigint not null default 0,
      line bigint not null default 0,
      rows bigint not null default 0,
      products bigint not null default 0,
      created bigint not null default 0,
      updated bigint not null default 0,
      unchanged bigint not null default 0,
      failed bigint not null default 0,
      errors bigint not null default 0,
      fence bigint not null default 0,
      lease_until timestamptz,
      deaths integer not null default 0,
      error_code text,
      error_message text,
      requested_by text not null,
      created_at timestamptz not null,
      changed_at timestamptz not null,
      started_at timestamptz,
      finished_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    "create index uploads_open on uploads (changed_at) where state in ('receiving', 'queued', 'running', 'cancelling')",
    """
    create table upload_parts (
      tenant_id text not null,
      upload_id text not null,
      start bigint not null,
      size bigint not null,
      blob_id text not null,
      primary key (tenant_id, upload_id, start),
      foreign key (tenant_id, upload_id) references uploads (tenant_id, id) on delete cascade
    )
    """,
    """
    create table upload_errors (
      tenant_id text not null,
      upload_id text not null,
      number bigint not null,
      line bigint not null,
      column_name text not null,
      value text not null,
      reason text not null,
      primary key (tenant_id, upload_id, number),
      foreign key (tenant_id, upload_id) references uploads (tenant_id, id) on delete cascade
    )
    """,
    """
    create table upload_mappings (
      tenant_id text not null,
      id text not null,
      name text not null,
      format jsonb not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint upload_mappings_name unique (tenant_id, name)
    )
    """,
    """
    create table product_sync_configs (
      tenant_id text not null,
      enabled boolean not null,
      source text not null,
      connection_id text,
      schedule text,
      next_at timestamptz,
      mapping_id text,
      mode text not null,
      on_error text not null,
      conflict_rule text not null,
      webhook_secret bytea,
      version integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id)
    )
    """,
)
_NAMES = ("uploads", "upload_parts", "upload_errors", "upload_mappings", "product_sync_configs")


def upgrade() -> None:
    """Create the tables."""
    for table in _TABLES:
        op.execute(table)
    for name in _NAMES:
        protect(op, name)


def downgrade() -> None:
    """Drop the tables."""
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
