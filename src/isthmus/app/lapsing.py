"""Ends settings that weaken security while we run, once they have run out (security.md SA-04)."""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from dataclasses import replace

from isthmus.app.platform import Platform
from isthmus.app.weakening import over
from isthmus.features import access, audit, connections, webhooks_out
from isthmus.kit.errors import Problem

_LOG = logging.getLogger("isthmus.app")
_LOOK_SECONDS = 30.0


async def lapse(platform: Platform, stop: asyncio.Event) -> None:
    """Tell the log what weakens this deployment, and end what runs out, until `stop` is set.

    What tenants can reach from here ends at once; limits of the edge, and whom it trusts, with the next start.
    """
    try:
        known = await audit.note_weaknesses(platform.system)
    except Problem as problem:
        _LOG.warning("settings that weaken could not be told: %s", problem.message)
        known = list(platform.weaknesses)
    gone = over(known, platform.clock.now())
    while not stop.is_set() and len(gone) < len(known):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await stop.wait()
        now_over = over(known, platform.clock.now())
        for name in sorted(now_over - gone):
            _LOG.warning("%s has run out: the safe value holds", name)
        if now_over - gone:
            tighten(platform, now_over)
        gone = now_over


def tighten(platform: Platform, names: Collection[str]) -> None:
    """Put the safe values in place of these settings' in the parts that let tenants reach something."""
    safe = platform.settings.tightened(names)
    engine = platform.engine
    wanted = safe.part(connections.Settings)
    reach = replace(
        engine.part(connections.Settings),
        allow_networks=wanted.allow_networks,
        return_origins=wanted.return_origins,
    )
    outward = safe.part(webhooks_out.Settings)
    engine.part(connections.Clients).tighten(reach)
    engine.part(access.Logins).tighten(reach.allow_networks)
    engine.part(webhooks_out.Sender).tighten(outward)
    platform.parts.update({connections.Settings: reach, webhooks_out.Settings: outward})
