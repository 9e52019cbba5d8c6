"""Tables of the vault: wrapped keys, proofs of master keys, and the places that a re-sealing has reached."""

from sqlalchemy import BigInteger, Column, DateTime, Index, LargeBinary, Text, text

from isthmus.engine.db import platform_table, tenant_table

DATA_KEYS = tenant_table(
    "data_keys",
    Column("id", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("master_key_id", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("retired_at", DateTime(timezone=True)),
    Column("seals", BigInteger, nullable=False),
    # the transaction that made it: until that one has committed, nobody may keep the key in memory
    Column("made_in", BigInteger, nullable=False),
)
# at most one key of a tenant is the current one
Index("data_keys_current_idx", DATA_KEYS.c.tenant_id, unique=True, postgresql_where=text("retired_at is null"))
Index("data_keys_master_key_id_idx", DATA_KEYS.c.master_key_id)

VAULT_CANARY = platform_table(
    "vault_canary",
    Column("id", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("retired_at", DateTime(timezone=True)),
)
# at most one master key wraps new data keys
Index(
    "vault_canary_current_idx",
    VAULT_CANARY.c.retired_at,
    unique=True,
    postgresql_nulls_not_distinct=True,
    postgresql_where=text("retired_at is null"),
)

#: One row for each tenant and each kind of sealed column; `place` is the last row that was re-sealed.
RESEALS = tenant_table(
    "reseals",
    Column("id", Text, primary_key=True),
    Column("place", Text),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("done_at", DateTime(timezone=True)),
)
Index("reseals_open_idx", RESEALS.c.asked_at, postgresql_where=text("done_at is null"))
