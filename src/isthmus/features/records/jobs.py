"""What other rooms' events cause here."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.records import service


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended: what was read through it is no longer ours to show, and a new one would show it twice."""
    await service.forget(tx, event["tenant_id"], event["subject"])
