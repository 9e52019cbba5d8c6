"""What is kept of the calls of connections."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0009"
down_revision: str | None = "0008"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table connection_hours (
      tenant_id text not null,
      connection_id text not null,
      hour timestamptz not null,
      calls bigint not null,
      attempts bigint not null,
      failed bigint not null,
      throttled bigint not null,
      waited_ms bigint not null,
      duration_ms bigint not null,
      primary key (tenant_id, connection_id, hour),
      foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
    )
    """,
    "create index connection_hours_hour on connection_hours (hour)",
    """
    create table connection_calls (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      at timestamptz not null,
      level text not null,
      method text not null,
      route text not null,
      status integer,
      code text not null,
      message text not null,
      attempts integer not null,
      duration_ms bigint not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
    )
    """,
    "create index connection_calls_of on connection_calls (connection_id, tenant_id, id)",
)
_NAMES = ("connection_hours", "connection_calls")


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
