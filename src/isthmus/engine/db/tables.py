"""How tables are declared: a tenant's table starts its key with the tenant, whatever else it holds."""

from sqlalchemy import Column, MetaData, Table, Text
from sqlalchemy.schema import SchemaItem

#: PostgreSQL's own names, so that migrations need not repeat them.
METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def tenant_table(name: str, *items: SchemaItem, append_only: bool = False) -> Table:
    """A table whose rows belong to tenants: `tenant_id` is added as the first column of its primary key."""
    tenant = Column("tenant_id", Text, primary_key=True, nullable=False)
    return Table(name, METADATA, tenant, *items, info={"scope": "tenant", "append_only": append_only})


def platform_table(name: str, *items: SchemaItem) -> Table:
    """A table without tenants: on the short list that a test of the catalogue holds."""
    return Table(name, METADATA, *items, info={"scope": "platform", "append_only": False})
