"""Run by alembic to write the script; the transaction around it is opened by `migrate`."""

from alembic import context

context.configure(
    dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, transactional_ddl=False, literal_binds=True
)
context.run_migrations()
