"""What one tenant may have of API keys (security.md RL-05)."""

from typing import Final

from isthmus.feature import Cap
from isthmus.features.access.errors import TooManyKeys
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import keys
from isthmus.scope import Scope, Tx


async def _keys(scope: Scope, tx: Tx) -> int:
    return await keys.alive(tx, scope.now, held=False)


CAPS: Final = (
    Cap(
        name="access.keys_per_tenant",
        counts="Live API keys.",
        unit="keys",
        refusal=TooManyKeys.code,
        limit=lambda scope: scope.part(Settings).keys_per_tenant,
        used=_keys,
    ),
)
