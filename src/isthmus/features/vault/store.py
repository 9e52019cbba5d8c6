"""Every statement of the vault. Keys are here only wrapped, values only sealed."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from isthmus.engine.db import Tx
from isthmus.features.vault.model import Canary, DataKey

#: Shared while a data key is made, exclusive while the master key changes: no key is wrapped by a key just replaced.
_MASTER_LOCK = 0x1574_0002


async def current_key(tx: Tx, tenant_id: str) -> DataKey | None:
    """The key that the tenant seals with, as far as this transaction sees it."""
    rows = await tx.fetch_sql(
        """
        select tenant_id, id, wrapped, master_key_id, created_at, retired_at, seals,
               coalesce(made_in = pg_current_xact_id_if_assigned()::text::bigint, false) as fresh
        from data_keys where tenant_id = $1 and retired_at is null
        """,
        tenant_id,
    )
    return _key(rows[0]) if rows else None


async def keys(tx: Tx, tenant_id: str, key_ids: Sequence[str]) -> list[DataKey]:
    """Those keys, current and retired."""
    rows = await tx.fetch_sql(
        """
        select tenant_id, id, wrapped, master_key_id, created_at, retired_at, seals,
               coalesce(made_in = pg_current_xact_id_if_assigned()::text::bigint, false) as fresh
        from data_keys where tenant_id = $1 and id = any($2::text[])
        """,
        tenant_id,
        list(key_ids),
    )
    return [_key(row) for row in rows]


async def charge(tx: Tx, tenant_id: str, seals: int) -> DataKey | None:
    """Count seals ahead under the current key; None when there is none or somebody else is counting just now."""
    rows = await tx.fetch_sql(
        """
        update data_keys set seals = seals + $2
        where tenant_id = $1 and id = (
          select id from data_keys where tenant_id = $1 and retired_at is null for update skip locked)
        returning tenant_id, id, wrapped, master_key_id, created_at, retired_at, seals,
                  coalesce(made_in = pg_current_xact_id_if_assigned()::text::bigint, false) as fresh
        """,
        tenant_id,
        seals,
    )
    return _key(rows[0]) if rows else None


async def insert_key(tx: Tx, key: DataKey) -> bool:
    """Add a current key; False when the tenant got one from somebody else."""
    return bool(
        await tx.execute_sql(
            """
            insert into data_keys (tenant_id, id, wrapped, master_key_id, created_at, seals, made_in)
            values ($1, $2, $3, $4, $5, $6, pg_current_xact_id()::text::bigint)
            on conflict (tenant_id) where retired_at is null do nothing
            """,
            key.tenant_id,
            key.id,
            key.wrapped,
            key.master_key_id,
            key.created_at,
            key.seals,
        )
    )


async def retire_key(tx: Tx, key: DataKey, at: datetime) -> bool:
    """End sealing with this key; False when somebody else did."""
    return bool(
        await tx.execute_sql(
            "update data_keys set retired_at = $3 where tenant_id = $1 and id = $2 and retired_at is null",
            key.tenant_id,
            key.id,
            at,
        )
    )


async def retire_all(tx: Tx, at: datetime) -> list[str]:
    """End sealing with every current key; the tenants concerned."""
    rows = await tx.fetch_sql("update data_keys set retired_at = $1 where retired_at is null returning tenant_id", at)
    return sorted(row["tenant_id"] for row in rows)


async def insert_keys(tx: Tx, made: Sequence[DataKey]) -> None:
    """Add the current keys of many tenants."""
    await tx.execute_sql(
        """
        insert into data_keys (tenant_id, id, wrapped, master_key_id, created_at, seals, made_in)
        select tenant_id, id, wrapped, master_key_id, created_at, 0, pg_current_xact_id()::text::bigint
        from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])
          as given (tenant_id, id, wrapped, master_key_id, created_at)
        """,
        [key.tenant_id for key in made],
        [key.id for key in made],
        [key.wrapped for key in made],
        [key.master_key_id for key in made],
        [key.created_at for key in made],
    )


async def keys_of_others(tx: Tx, master_key_id: str, limit: int) -> list[DataKey]:
    """Keys that another master key wraps and nobody else is wrapping anew just now."""
    rows = await tx.fetch_sql(
        """
        select tenant_id, id, wrapped, master_key_id, created_at, retired_at, seals, false as fresh
        from data_keys where master_key_id <> $1 order by tenant_id, id limit $2 for update skip locked
        """,
        master_key_id,
        limit,
    )
    return [_key(row) for row in rows]


async def rewrap(tx: Tx, wrapped: Sequence[DataKey]) -> None:
    """Store keys under their new wrapping."""
    await tx.execute_sql(
        """
        update data_keys as kept set wrapped = given.wrapped, master_key_id = given.master_key_id
        from unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) as given (tenant_id, id, wrapped, master_key_id)
        where kept.tenant_id = given.tenant_id and kept.id = given.id
        """,
        [key.tenant_id for key in wrapped],
        [key.id for key in wrapped],
        [key.wrapped for key in wrapped],
        [key.master_key_id for key in wrapped],
    )


async def wrapped_by(tx: Tx) -> dict[str, int]:
    """How many data keys each master key wraps."""
    rows = await tx.fetch_sql("select master_key_id, count(*) as keys from data_keys group by master_key_id")
    return {row["master_key_id"]: row["keys"] for row in rows}


async def delete_keys_of_others(tx: Tx, held: Sequence[str]) -> int:
    """Let go of every data key that none of these master keys wraps; how many there were."""
    return await tx.execute_sql("delete from data_keys where master_key_id <> all($1::text[])", list(held))


async def counts(tx: Tx) -> tuple[int, int, int]:
    """Current data keys, retired ones, and re-sealings that are not done."""
    rows = await tx.fetch_sql(
        """
        select count(*) filter (where retired_at is null) as active, count(retired_at) as retired,
               (select count(*) from reseals where done_at is null) as reseals
        from data_keys
        """
    )
    return rows[0]["active"], rows[0]["retired"], rows[0]["reseals"]


async def hold_master(tx: Tx) -> None:
    """Keep the master key from changing until this transaction ends."""
    await tx.execute_sql("select pg_advisory_xact_lock_shared($1)", _MASTER_LOCK)


async def change_master(tx: Tx) -> None:
    """Wait until nobody holds the master key, and keep everybody from doing so until this transaction ends."""
    await tx.execute_sql("select pg_advisory_xact_lock($1)", _MASTER_LOCK)


async def current_master(tx: Tx) -> str | None:
    """The id of the master key that wraps new data keys."""
    rows = await tx.fetch_sql("select id from vault_canary where retired_at is null")
    return rows[0]["id"] if rows else None


async def canaries(tx: Tx) -> list[Canary]:
    """The proofs of every master key so far, the current one first."""
    rows = await tx.fetch_sql(
        "select id, sealed, created_at, retired_at from vault_canary order by retired_at desc nulls first"
    )
    return [Canary(row["id"], row["sealed"], row["created_at"], row["retired_at"]) for row in rows]


async def put_canary(tx: Tx, canary: Canary) -> None:
    """Make this master key the current one."""
    await tx.execute_sql(
        "update vault_canary set retired_at = $2 where retired_at is null and id <> $1",
        canary.master_key_id,
        canary.created_at,
    )
    await tx.execute_sql(
        """
        insert into vault_canary (id, sealed, created_at) values ($1, $2, $3)
        on conflict (id) do update set retired_at = null, sealed = excluded.sealed
        """,
        canary.master_key_id,
        canary.sealed,
        canary.created_at,
    )


async def ask_reseals(tx: Tx, tenant_ids: Sequence[str], names: Sequence[str], at: datetime) -> None:
    """Note that each kind of sealed column of each tenant must be sealed anew, from its beginning."""
    await tx.execute_sql(
        """
        insert into reseals (tenant_id, id, asked_at)
        select tenant, name, $3 from unnest($1::text[]) as tenant cross join unnest($2::text[]) as name
        on conflict (tenant_id, id) do update set asked_at = excluded.asked_at, place = null, done_at = null
        """,
        list(tenant_ids),
        list(names),
        at,
    )


async def open_reseals(tx: Tx, limit: int) -> list[asyncpg.Record]:
    """Re-sealings that are not done: tenant_id, id, place, asked_at."""
    return await tx.fetch_sql(
        """
        select tenant_id, id, place, asked_at from reseals
        where done_at is null order by asked_at, tenant_id, id limit $1
        """,
        limit,
    )


async def open_reseals_of(tx: Tx, tenant_id: str) -> list[asyncpg.Record]:
    """The same of one tenant."""
    return await tx.fetch_sql(
        "select tenant_id, id, place, asked_at from reseals where tenant_id = $1 and done_at is null order by id",
        tenant_id,
    )


async def put_place(tx: Tx, tenant_id: str, name: str, place: str | None) -> None:
    """Remember how far a re-sealing has come."""
    await tx.execute_sql(
        "update reseals set place = $3 where tenant_id = $1 and id = $2 and done_at is null", tenant_id, name, place
    )


async def finish_reseal(tx: Tx, tenant_id: str, name: str, asked_at: datetime, at: datetime) -> None:
    """Note that nothing is left under an old key, unless it was asked for once more meanwhile."""
    await tx.execute_sql(
        "update reseals set done_at = $4, place = null where tenant_id = $1 and id = $2 and asked_at = $3",
        tenant_id,
        name,
        asked_at,
        at,
    )


def _key(row: asyncpg.Record) -> DataKey:
    return DataKey(
        tenant_id=row["tenant_id"],
        id=row["id"],
        wrapped=row["wrapped"],
        master_key_id=row["master_key_id"],
        created_at=row["created_at"],
        retired_at=row["retired_at"],
        seals=row["seals"],
        fresh=row["fresh"],
    )
