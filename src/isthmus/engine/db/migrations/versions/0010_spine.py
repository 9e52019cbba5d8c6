"""What the spine gained: a queue that is fair and parks what kills its workers, and revocations that are retried."""

from alembic import op

from isthmus.engine.db.migrations.ddl import protect

revision = "0010"
down_revision: str | None = "0009"
branch_labels = None
depends_on = None

_QUEUE = (
    """
    alter table queue.pgqueuer
      add column tenant_id text not null default '',
      add column deaths smallint not null default 0,
      add column reason text,
      add column held_until timestamptz
    """,
    "update queue.pgqueuer set tenant_id = convert_from(payload, 'UTF8')::jsonb ->> 0 where payload is not null",
    """
    create index pgqueuer_turns on queue.pgqueuer (entrypoint, tenant_id, priority desc, id) include (execute_after)
    where status = 'queued'
    """,
    "create index pgqueuer_parked on queue.pgqueuer (entrypoint, payload) where status = 'failed'",
    "grant insert (tenant_id) on queue.pgqueuer to isthmus_tenant",
)


_REVOCATIONS = (
    """
    create table token_revocations (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      provider text not null,
      registration_id text,
      account jsonb not null,
      access bytea,
      refresh bytea,
      attempts integer not null,
      due_at timestamptz not null,
      created_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    "create index token_revocations_due on token_revocations (due_at)",
    "alter table connections add column renewed_for timestamptz, add column renewed_at timestamptz",
    """
    create index connections_refresh_ends on connections (refresh_expires_at) where refresh_expires_at is not null
    """,
)


def upgrade() -> None:
    """Add the columns, tables and their indexes."""
    for statement in (*_QUEUE, *_REVOCATIONS):
        op.execute(statement)
    protect(op, "token_revocations")


def downgrade() -> None:
    """Drop them."""
    op.execute("drop index connections_refresh_ends")
    op.execute("alter table connections drop column renewed_for, drop column renewed_at")
    op.execute("drop table token_revocations")
    op.execute("drop index queue.pgqueuer_parked")
    op.execute("drop index queue.pgqueuer_turns")
    op.execute(
        "alter table queue.pgqueuer drop column tenant_id, drop column deaths, drop column reason, "
        "drop column held_until"
    )
