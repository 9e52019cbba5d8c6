"""What a refused API key costs before it is believed: CPU of the process that serves, and statements (RL-02)."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench.report import Row, publish
from bench.serving.counted import Counted
from bench.serving.place import place
from isthmus.features.access.model import keys as model
from isthmus.features.access.model.keys import RANDOM_LETTERS, Mode
from isthmus.http import HttpSettings
from isthmus.http.auth import Authenticator, Credentials, Doorkeeper
from isthmus.http.limits import Limiter, Refused
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.ids import BASE62

KEYS, LOOKED_UP = 100_000, 2_000
_ROUNDS = 5
Shown = Callable[[str, str], Awaitable[None]]


def run() -> None:
    """A hundred thousand keys without their checksum, from a thousand addresses and from one."""
    asyncio.run(_run())


async def _run() -> None:
    Counted.begin()
    wrong, right = _keys(KEYS, checked=False), _keys(LOOKED_UP, checked=True)
    with tempfile.TemporaryDirectory() as folder:
        async with place(Path(folder), "http://127.0.0.1:9") as platform:
            before = Counted.total
            many = [await _each(_shown(platform.authenticators, KEYS), wrong, 1_000) for _ in range(_ROUNDS)]
            one = [await _each(_shown(platform.authenticators, 30), wrong, 1) for _ in range(_ROUNDS)]
            made = Counted.total - before
            asked = await _each(_shown(platform.authenticators, KEYS), right, 1_000)
            looked_up = (Counted.total - before - made) / LOOKED_UP
    publish(
        "bad_keys",
        [
            Row(
                "a key without its checksum",
                _middle(many),
                "us CPU",
                20,
                f"one with it: {asked:.0f} us and {looked_up:g} statement",
            ),
            Row("one more of an address that is refused already", _middle(one), "us CPU", 20),
            Row("statements for all of these keys", made, "", 0),
        ],
    )


def _keys(count: int, *, checked: bool) -> Sequence[str]:
    drawn = random.Random(7)
    keys = [model.form(Mode.LIVE, "".join(drawn.choices(BASE62, k=RANDOM_LETTERS))).reveal() for _ in range(count)]
    return keys if checked else [key[:-1] + ("a" if key[-1] != "a" else "b") for key in keys]


def _shown(authenticators: Sequence[Authenticator], most: int) -> Shown:
    """What the gate does with a key that nobody has met."""
    doorkeeper = Doorkeeper(authenticators, SYSTEM)
    limiter = Limiter(HttpSettings(failures_per_minute=most), SYSTEM)

    async def show(key: str, address: str) -> None:
        credentials = Credentials("key", key)
        try:
            if not doorkeeper.has_met(credentials):
                limiter.check_failures(address, credentials.prefix)
            await doorkeeper.verify(credentials)
        except Unauthenticated:
            limiter.count_failure(address, credentials.prefix)
        except Refused:
            return

    return show


async def _each(show: Shown, keys: Sequence[str], addresses: int) -> float:
    """Microseconds of CPU a key."""
    began = time.process_time()
    for number, key in enumerate(keys):
        await show(key, f"198.51.{number % addresses // 256}.{number % addresses % 256}")
    return (time.process_time() - began) / len(keys) * 1e6


def _middle(several: Sequence[float]) -> float:
    return statistics.median(several)
