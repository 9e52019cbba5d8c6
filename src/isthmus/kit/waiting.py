"""Waiting for whatever comes first."""

import asyncio


async def first_of(*events: asyncio.Event | None, seconds: float | None = None) -> None:
    """Wait until one of these is set, or for so many seconds; what is None is not waited for."""
    waits = [asyncio.ensure_future(event.wait()) for event in events if event is not None]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
