"""Statements that look at actions."""

from dataclasses import dataclass
from typing import Final

from isthmus.engine.db import Tx
from isthmus.features.fulfilment.model import Item, OrderAction
from isthmus.features.fulfilment.store.columns import as_action, of_actions
from isthmus.kit.figures import Figure
from isthmus.kit.paging import Ask, Page
from isthmus.scope import System

_ONE: Final = of_actions("where tenant_id = $1 and id = $2")
_HELD: Final = of_actions("where tenant_id = $1 and id = $2 for update")
_MANY: Final = of_actions("""
where tenant_id = $1
  and ($2::text is null or order_id = $2)
  and ($3::text is null or connection_id = $3)
  and ($4::text is null or state = $4)
  and ($5::text is null or kind = $5)
  and ($6::text is null or id < $6)
order by id desc limit $7 offset $8
""")
_ITEMS: Final = """
select external_id, result, code, reason from order_action_items
where tenant_id = $1 and action_id = $2 order by external_id limit 1000
"""
_FIGURES: Final = """
select state, count(*) as actions from order_actions where state in ('waiting', 'sending', 'unsure')
group by state order by state
"""
_ABOUT: Final = "isthmus_order_actions", "Actions on orders that are not over, by how they stand."


@dataclass(frozen=True, slots=True)
class ActionFilter:
    """Which actions a caller wants; None means any."""

    order_id: str | None = None
    connection_id: str | None = None
    state: str | None = None
    kind: str | None = None


async def action(tx: Tx, id_: str, *, held: bool = False) -> OrderAction | None:
    """One action; `held` keeps others from changing it until the transaction ends."""
    rows = await tx.fetch_sql(_HELD if held else _ONE, tx.tenant_id, id_)
    return as_action(rows[0]) if rows else None


async def actions(tx: Tx, wanted: ActionFilter, ask: Ask) -> Page[OrderAction]:
    """Newest first."""
    which = (wanted.order_id, wanted.connection_id, wanted.state, wanted.kind)
    rows = await tx.fetch_sql(_MANY, tx.tenant_id, *which, ask.after, ask.limit + 1, ask.offset)
    items_ = [as_action(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items_, items_[-1].id if more else None, has_more=more)


async def items(tx: Tx, action_id: str) -> tuple[Item, ...]:
    """What became of the lines of an action."""
    return tuple(Item(*row.values()) for row in await tx.fetch_sql(_ITEMS, tx.tenant_id, action_id))


async def figures(_system: System, tx: Tx) -> list[Figure]:
    """How many actions wait, are being sent, or need a person; as the system."""
    return [Figure(*_ABOUT, row["actions"], {"state": row["state"]}) for row in await tx.fetch_sql(_FIGURES)]
