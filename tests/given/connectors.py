"""Connectors on their emulators: an app, a consent, a bound session."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import msgspec

from isthmus.connect.conformance.stage import Play
from isthmus.connect.registry import Found, discover
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import Account, Granted, RawRecord, Session
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer, Shop
from isthmus.sandbox.stage import SandboxStage


@cache
def shipped() -> Mapping[str, Found]:
    """Every connector that comes with the product; looked for once, as a process does."""
    return discover()


def found(name: str) -> Found:
    """A connector's folder."""
    return shipped()[name]


@asynccontextmanager
async def played(name: str, products: int = 60) -> AsyncIterator[tuple[Play, Shop]]:
    """The connector on its own emulator, in virtual time."""
    one = found(name)
    assert one.connector is not None
    async with SandboxServer([name], products=products, clock=ManualClock()) as server:
        shop = server.shops[name]
        yield Play(one, one.connector, SandboxStage(shop)), shop


@asynccontextmanager
async def session(play: Play) -> AsyncIterator[tuple[Session, Granted]]:
    """A session of the main shop."""
    granted = (await play.connect())[0]
    async with play.session(granted) as opened:
        yield opened, granted


def mapped(name: str, payload: dict[str, Any], account: Account) -> Listing:
    """One record read by the connector's mapping. Raises Unmappable."""
    connector = found(name).connector
    assert connector is not None
    return connector.map_listing(RawRecord("1", msgspec.json.encode(payload)), account)


def paths(shop: Shop) -> Sequence[str]:
    """The paths that were asked for so far, in order."""
    return [record.path for record in shop.recording.requests]
