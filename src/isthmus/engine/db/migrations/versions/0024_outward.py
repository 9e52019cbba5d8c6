"""What is to be written at far sides: edits, pushes, conflicts."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0024"
down_revision: str | None = "0023"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table pushes (
      tenant_id text not null,
      id text not null,
      origin text not null,
      requested_by text not null,
      items integer not null,
      created_at timestamptz not null,
      finished_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    """
    create table edits (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      listing_id text not null,
      variant text not null,
      field text not null,
      location text not null,
      value jsonb not null,
      currency text not null,
      base jsonb,
      sent jsonb,
      version integer not null,
      state text not null,
      code text,
      reason text,
      attempts integer not null,
      due_at timestamptz,
      claim text,
      lease_until timestamptz,
      wanted_at timestamptz not null,
      requested_by text not null,
      primary key (tenant_id, id),
      constraint edits_of unique (tenant_id, listing_id, variant, field, location),
      foreign key (tenant_id, listing_id) references listings (tenant_id, id) on delete cascade
    )
    """,
    "create index edits_due on edits (connection_id, due_at) where due_at is not null",
    """
    create table push_items (
      tenant_id text not null,
      push_id text not null,
      number integer not null,
      edit_id text not null,
      version integer not null,
      connection_id text not null,
      listing_id text not null,
      variant text not null,
      field text not null,
      location text not null,
      value jsonb not null,
      state text not null,
      code text,
      reason text,
      finished_at timestamptz,
      primary key (tenant_id, push_id, number),
      foreign key (tenant_id, push_id) references pushes (tenant_id, id) on delete cascade
    )
    """,
    "create index push_items_open on push_items (edit_id, version) where state = 'waiting'",
    """
    create table conflicts (
      tenant_id text not null,
      id text not null,
      edit_id text not null,
      connection_id text not null,
      listing_id text not null,
      variant text not null,
      field text not null,
      location text not null,
      base jsonb,
      ours jsonb not null,
      theirs jsonb not null,
      state text not null,
      rule text not null,
      winner text,
      value jsonb,
      automatic boolean not null,
      decided_by text,
      created_at timestamptz not null,
      decided_at timestamptz,
      primary key (tenant_id, id)
    )
    """,
    "create unique index conflicts_open on conflicts (tenant_id, edit_id) where state = 'open'",
    "create index conflicts_of_connection on conflicts (connection_id, id)",
    """
    create table conflict_rules (
      tenant_id text not null,
      connection_id text not null,
      rules jsonb not null,
      version integer not null,
      primary key (tenant_id, connection_id)
    )
    """,
)
_NAMES = ("pushes", "edits", "push_items", "conflicts", "conflict_rules")


def upgrade() -> None:
    """Create the tables."""
    for table in _TABLES:
        op.execute(table)
    for name in _NAMES:
        protect(op, name)


def downgrade() -> None:
    """Drop the tables."""
    for name in reversed(_NAMES):
        op.execute(f"drop table {name} cascade")
