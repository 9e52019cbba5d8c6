"""Tables of access, vault, catalog, and the audit log's index."""

from alembic import op

from isthmus.engine.db.migrations.ddl import SYSTEM, TENANT, fill, protect, share

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None

_OWN = "current_setting('isthmus.tenant')::tenant_key"
_PLATFORM = "ten_platform"

_TABLES = (
    """
    create table tenants (
      id text not null primary key,
      name text not null,
      slug text not null,
      status text not null,
      created_at timestamptz not null,
      constraint tenants_slug_key unique (slug)
    )
    """,
    """
    create table data_keys (
      tenant_id text not null,
      id text not null,
      wrapped bytea not null,
      master_key_id text not null,
      created_at timestamptz not null,
      retired_at timestamptz,
      seals bigint not null,
      made_in bigint not null,
      primary key (tenant_id, id)
    )
    """,
    "create unique index data_keys_current_idx on data_keys (tenant_id) where retired_at is null",
    "create index data_keys_master_key_id_idx on data_keys (master_key_id)",
    """
    create table vault_canary (
      id text not null primary key,
      sealed bytea not null,
      created_at timestamptz not null,
      retired_at timestamptz
    )
    """,
    """
    create unique index vault_canary_current_idx on vault_canary (retired_at) nulls not distinct
      where retired_at is null
    """,
    """
    create table reseals (
      tenant_id text not null,
      id text not null,
      place text,
      asked_at timestamptz not null,
      done_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    "create index reseals_open_idx on reseals (asked_at) where done_at is null",
    """
    create table provider_overrides (
      id text not null primary key,
      status text,
      audience text,
      fields jsonb not null,
      version bigint not null,
      updated_at timestamptz not null
    )
    """,
    """
    create table registrations (
      tenant_id text not null,
      id text not null,
      provider text not null,
      kind text not null,
      credentials_sealed bytea,
      hosts jsonb not null,
      bound_to text not null,
      redirect_path text not null,
      version bigint not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id),
      constraint registrations_tenant_id_provider_key unique (tenant_id, provider)
    )
    """,
    "create index events_audited_idx on events (tenant_id, id) where audited",
)


def upgrade() -> None:
    for table in _TABLES:
        op.execute(table)
    for table in ("data_keys", "reseals", "registrations"):
        protect(op, table)
    share(op, "vault_canary", tenant="select", system="select, insert, update, delete")
    _written_by_the_platform("tenants", seen=f"id = {_OWN} or {_OWN} = '{_PLATFORM}'", rights="select, insert, update")
    _written_by_the_platform("provider_overrides", seen="true", rights="select, insert, update, delete")
    fill(
        op,
        "insert into tenants (id, name, slug, status, created_at) "
        "values ('ten_platform', 'Platform', 'platform', 'active', now())",
    )


def _written_by_the_platform(table: str, *, seen: str, rights: str) -> None:
    """A table without a tenant column: rows are seen as `seen` says, and written by the deployment's own tenant."""
    share(op, table, tenant=rights)
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy seen on {table} for select to {TENANT} using ({seen})")
    for verb, clause in (("insert", "with check"), ("update", "using"), ("delete", "using")):
        op.execute(
            f"create policy {verb}_by_platform on {table} for {verb} to {TENANT} {clause} ({_OWN} = '{_PLATFORM}')"
        )
    op.execute(f"create policy system on {table} to {SYSTEM} using (true) with check (true)")
