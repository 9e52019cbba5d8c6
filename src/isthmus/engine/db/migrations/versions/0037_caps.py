"""How many bytes of records each tenant stores, and which processes run (security.md RL-05)."""

from alembic import op

from isthmus.engine.db.migrations.ddl import fill, protect, share

revision = "0037"
down_revision: str | None = "0036"
branch_labels = None
depends_on = None

_FILLED = (
    """
    insert into holdings (tenant_id, connection_id, kind, added_at)
    select distinct tenant_id, connection_id, 'listings', now() from listings
    """,
    """
    insert into holdings (tenant_id, connection_id, kind, added_at)
    select distinct tenant_id, connection_id, 'shards', now() from shards
    """,
    """
    insert into holdings (tenant_id, connection_id, kind, added_at)
    select distinct tenant_id, connection_id, 'orders', now() from orders
    """,
)


def upgrade() -> None:
    """Create the tables; what is stored already is counted by the first periodic count."""
    op.execute(
        """
        create table holdings (
          tenant_id text not null,
          connection_id text not null,
          kind text not null,
          bytes bigint not null default 0,
          added_at timestamptz not null,
          counted_at timestamptz,
          primary key (tenant_id, connection_id, kind)
        )
        """
    )
    protect(op, "holdings")
    for filling in _FILLED:
        fill(op, filling)
    op.execute(
        """
        create unlogged table processes (
          id text primary key,
          since timestamptz not null default clock_timestamp(),
          seen_at timestamptz not null,
          counts jsonb not null
        )
        """
    )
    share(op, "processes")
    op.execute(
        """
        create index sync_runs_full on sync_runs (tenant_id, connection_id)
        where state = 'parked' and error_code = 'STORE_FULL'
        """
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("drop index sync_runs_full")
    op.execute("drop table processes")
    op.execute("drop table holdings")
