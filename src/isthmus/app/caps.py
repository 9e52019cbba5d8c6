"""The caps of the edge, which no room owns; those of the rooms stand with their features."""

import os
from collections.abc import Sequence
from functools import partial

from isthmus.app.features import FEATURES
from isthmus.engine.presence import Presence
from isthmus.feature import Cap
from isthmus.http import HttpSettings
from isthmus.http.errors import HeavyRequestsWait, TooManyStreams
from isthmus.http.lanes import at_once
from isthmus.scope import Scope

STREAMS, EXPORTS = "http.streams_per_tenant", "http.heavy"


def every_cap(http: HttpSettings) -> Sequence[Cap]:
    """What one tenant may have of everything."""
    exports = at_once(http, "export", os.cpu_count() or 1)
    edge = (
        Cap(
            name=STREAMS,
            counts="Open event streams.",
            unit="streams",
            refusal=TooManyStreams.code,
            limit=lambda _: http.streams_per_tenant,
            used_apart=partial(_fullest, STREAMS),
            within="process",
        ),
        Cap(
            name=EXPORTS,
            counts="Exports that are written at once; more wait for their turn, and some of them are refused.",
            unit="exports",
            refusal=HeavyRequestsWait.code,
            limit=lambda _: exports,
            used_apart=partial(_fullest, EXPORTS),
            within="process",
        ),
    )
    return [*edge, *(cap for feature in FEATURES for cap in feature.caps)]


async def _fullest(name: str, scope: Scope) -> int:
    return await scope.part(Presence).fullest(name, scope.tenant_id)
