"""What one tenant may have of actions on orders (security.md RL-05)."""

from typing import Final

from isthmus.feature import Cap
from isthmus.features.fulfilment import store
from isthmus.features.fulfilment.errors import TooManyActions
from isthmus.features.fulfilment.settings import Settings
from isthmus.scope import Scope, Tx


async def _actions(_scope: Scope, tx: Tx) -> int:
    return await store.live_count(tx, held=False)


CAPS: Final = (
    Cap(
        name="fulfilment.live",
        counts="Actions on orders under way.",
        unit="actions",
        refusal=TooManyActions.code,
        limit=lambda scope: scope.part(Settings).live,
        used=_actions,
    ),
)
