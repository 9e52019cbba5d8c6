"""What migrations say about every table: who may do what, and that a tenant sees its own rows only."""

from typing import Protocol

TENANT, SYSTEM = "isthmus_tenant", "isthmus_system"


class Operations(Protocol):
    """The part of alembic's `op` that is used here."""

    def execute(self, sqltext: str) -> None:
        """Run one statement."""
        ...


def protect(op: Operations, table: str, *, append_only: bool = False) -> None:
    """Row-level security, forced, and the grants of a tenant's table.

    The comparison goes through a domain that refuses the empty text: a transaction whose tenant was never
    set, or ended, raises instead of seeing nothing (security.md TN-06). Append-only tables take neither update nor
    delete, from anybody but their owner (AU-02).
    """
    own = "tenant_id = current_setting('isthmus.tenant')::tenant_key"
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy tenant on {table} to {TENANT} using ({own}) with check ({own})")
    op.execute(f"create policy system on {table} to {SYSTEM} using (true) with check (true)")
    if append_only:
        op.execute(f"grant select, insert on {table} to {TENANT}, {SYSTEM}")
    else:
        op.execute(f"grant select, insert, update, delete on {table} to {TENANT}, {SYSTEM}")


def share(op: Operations, table: str, *, tenant: str = "", system: str = "select, insert, update, delete") -> None:
    """The grants of a platform table; `tenant` and `system` are lists of rights, empty for none."""
    if tenant:
        op.execute(f"grant {tenant} on {table} to {TENANT}")
    if system:
        op.execute(f"grant {system} on {table} to {SYSTEM}")


def fill(op: Operations, statement: str) -> None:
    """Write rows of a protected table: row-level security is forced on the owner too, so it is done as the system."""
    op.execute(f"set local role {SYSTEM}")
    op.execute(statement)
    op.execute("set local role none")
