"""What the statements have in common. Leases count by the database's clock, the one that all share."""

from collections.abc import Mapping
from typing import Any

from isthmus.features.fulfilment.model import COLUMNS, OrderAction


def of_actions(where: str) -> str:
    """A statement that reads actions; `where` is what follows the table's name."""
    return " ".join(["select", ", ".join(COLUMNS), "from order_actions", where])


def as_action(row: Mapping[str, Any]) -> OrderAction:
    """A row as the action it is."""
    return OrderAction(**{**{name: row[name] for name in COLUMNS}, "lines": tuple(row["lines"])})
