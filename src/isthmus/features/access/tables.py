"""Tables of access."""

from sqlalchemy import Column, DateTime, Text, UniqueConstraint

from isthmus.engine.db import platform_table

#: Row-level security lets a tenant read its own row; the deployment's own tenant reads and writes all.
TENANTS = platform_table(
    "tenants",
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("slug"),
)
