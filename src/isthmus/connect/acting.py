"""How a connector acts on orders: confirm, pack, hand over, cancel and track, each as its platform allows.

Actions are no absolute values, so a repeat can do harm: the platform (us) looks at the order before it ever sends one
again, and asks the connector whether what it sees is the effect of the action.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from isthmus.connect.abilities import Acting as Acting
from isthmus.connect.abilities import ActionKind as ActionKind
from isthmus.connect.shapes import Order, OrderLine
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that is to be done with an order.

    `key` names it for ever; a repeat bears the same one. `order` is the stored record, or what was read just now.
    `lines` are external ids of lines, of their units where they have some, empty for all. `reason` is one of the
    manifest's, where it names any. `details` hold what else a platform wants to know, such as `carrier`,
    `trackingNumber`, `pickupTime` or `warehouse`; names that the manifest does not allow are refused before the
    connector is asked.
    """

    key: str
    kind: ActionKind
    order: Order
    lines: tuple[str, ...] = ()
    reason: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class WrongDetail(Exception):
    """A line, reason or detail of an action is wrong or lacking, whatever the order's state; `name` says which one."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(reason)


@runtime_checkable
class ActsOnOrders(Protocol):
    """A connector that acts on orders; its manifest says how, in `[acting]`."""

    def check(self, action: Action) -> str:
        """Why the platform would not allow this of the order as it is stored; empty where it would (pure).

        The order's state is judged first. Raises WrongDetail for what is wrong with the action itself.
        """
        ...

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        """Do it, by one writing call; reading before it is free. An outcome for each line, or one for the whole action.

        An outcome's key is the external id of a line or of a unit of it, or the action's own key. The writing request
        is made so that the client never sends it again once its bytes have left. Raises client errors: then nothing is
        known but what the error says.
        """
        ...

    def shows(self, action: Action, order: Order) -> bool | None:
        """Whether an order read anew shows the effect of the action; None where it cannot be told (pure)."""
        ...


def units(action: Action, order: Order | None = None) -> dict[str, OrderLine]:
    """What the action is about, piece by piece: external ids with their lines, in its order or one read anew (pure)."""
    lines, wanted = (order or action.order).lines, set(action.lines)
    found = {unit: line for line in lines for unit in line.external_ids or (line.external_id,)}
    return {unit: line for unit, line in found.items() if not wanted or unit in wanted}
