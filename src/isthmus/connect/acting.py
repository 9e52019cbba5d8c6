"""How a connector acts on orders: confirm, pack, hand over, cancel and track, each as its platform allows.

Actions are no absolute values, so a repeat can do harm: the platform (us) looks at the order before it ever sends one
again, and asks the connector whether what it sees is the effect of the action.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from isthmus.connect.abilities import Acting as Acting
from isthmus.connect.abilities import ActionKind as ActionKind
from isthmus.connect.shapes import Order
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that is to be done with an order.

    `key` names it for ever; a repeat bears the same one. `order` is the stored record. `lines` are external ids of
    lines, empty for all. `reason` is one of the manifest's. `details` hold what else a platform wants to know, such as
    `carrier`, `trackingNumber`, `pickupTime` or `warehouse`; unknown names are refused before anything is sent.
    """

    key: str
    kind: ActionKind
    order: Order
    lines: tuple[str, ...] = ()
    reason: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class ActsOnOrders(Protocol):
    """A connector that acts on orders; its manifest says how, in `[acting]`."""

    def check(self, action: Action) -> str:
        """Why the platform would not allow this of the order as it is stored; empty where it would (pure)."""
        ...

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        """Do it, by one writing call; reading before it is free. An outcome for each line, or one for the whole action.

        The writing request is made so that the client never sends it again once its bytes have left. Raises client
        errors: then nothing is known but what the error says.
        """
        ...

    def shows(self, action: Action, order: Order) -> bool | None:
        """Whether an order read anew shows the effect of the action; None where it cannot be told (pure)."""
        ...
