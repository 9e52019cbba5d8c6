"""What one tenant may have of inbound webhooks (security.md RL-05)."""

from typing import Final

from isthmus.feature import Cap
from isthmus.features.webhooks_in.errors import TooManyHandlers, TooManyReplays, TooManySources
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import handlers, log, sources
from isthmus.scope import Scope, Tx


async def _sources(scope: Scope, tx: Tx) -> int:
    return await sources.count(tx, scope.tenant_id, held=False)


async def _handlers(scope: Scope, tx: Tx) -> int:
    return await handlers.count(tx, scope.tenant_id, held=False)


async def _replays(scope: Scope, tx: Tx) -> int:
    return await log.running_of(tx, scope.tenant_id, held=False)


CAPS: Final = (
    Cap(
        name="webhooks_in.sources",
        counts="Sources of webhooks; each subscription at a platform has one.",
        unit="sources",
        refusal=TooManySources.code,
        limit=lambda scope: scope.part(Settings).sources,
        used=_sources,
    ),
    Cap(
        name="webhooks_in.handlers",
        counts="Handlers of webhooks.",
        unit="handlers",
        refusal=TooManyHandlers.code,
        limit=lambda scope: scope.part(Settings).handlers,
        used=_handlers,
    ),
    Cap(
        name="webhooks_in.replays",
        counts="Replays under way.",
        unit="replays",
        refusal=TooManyReplays.code,
        limit=lambda scope: scope.part(Settings).replays,
        used=_replays,
    ),
)
