"""Whose an object is that a wake-up names (security.md TN-02)."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from isthmus.engine.db.database import Database, Tx
from isthmus.kit import ids

_REMEMBERED: Final = 10_000
#: The tenant's own row is found by the table's key; those of others are looked through where there is none.
_OWNER: Final = """
select case when exists (select from {table} where tenant_id = $1 and id = $2) then $1
else (select tenant_id from {table} where id = $2 limit 1) end as owner
"""


class Owners:
    """Answers whether what a tenant's wake-up names is another tenant's; no object ever changes its tenant.

    tables: where objects stand, by the noun that their ids begin with. What is nobody's, such as what was removed
    meanwhile, is nobody else's either.
    """

    def __init__(self, database: Database, tables: Mapping[str, str]) -> None:
        self._database = database
        self._tables = tables
        #: Who has an object, by its id; those that were asked about last stand behind.
        self._known: OrderedDict[str, str] = OrderedDict()

    async def foreign(self, tenant_id: str, key: str) -> str | None:
        """The first id within a wake-up's key that another tenant has; None where there is none."""
        for id_ in ids.found(key):
            owner = await self._owner(tenant_id, id_)
            if owner is not None and owner != tenant_id:
                return id_
        return None

    async def _owner(self, tenant_id: str, id_: str) -> str | None:
        known = self._known.get(id_)
        if known is not None:
            self._known.move_to_end(id_)
            return known
        table = self._tables.get(id_.partition("_")[0])
        if table is None:
            return None
        async with self._database.system() as tx:
            owner = await _owner(tx, table, tenant_id, id_)
        if owner is not None:
            self._known[id_] = owner
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return owner


async def _owner(tx: Tx, table: str, tenant_id: str, id_: str) -> str | None:
    rows = await tx.fetch_sql(_OWNER.format(table=table), tenant_id, id_)  # house: sql - the name of a table of ours
    owner: str | None = rows[0]["owner"]
    return owner
