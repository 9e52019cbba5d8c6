"""Many calls with faults leave nothing behind: no task, socket, timer or growing memory."""

import asyncio
import gc
import gzip
import itertools
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from isthmus.client import (
    AioTransport,
    ApiClient,
    BreakerRule,
    Cache,
    ClientError,
    Limiter,
    MemoryCache,
    MemoryTokenStore,
    OAuth2,
    RateLimit,
    Retry,
    Tokens,
)
from isthmus.kit.secret import Secret

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + b'{"ok":true}'
_PACKED = gzip.compress(b'{"ok":true}' * 50)
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_PACKED) + _PACKED
CACHED = PLAIN.replace(b"\r\n\r\n", b'\r\nCache-Control: max-age=1\r\nETag: "1"\r\n\r\n', 1)
FAULTS: list[tuple[int, bytes | None]] = [
    (20, b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"),
    (10, b"HTTP/1.1 429 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"),
    (10, b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"),
    (10, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    (10, b""),
    (2, None),
    (40, GZIP),
    (200, CACHED),
    (698, PLAIN),
]


class Faulty(asyncio.Protocol):
    """Answers by a seeded draw; an empty answer is a reset, None is silence."""

    chance = random.Random(7)
    kinds = tuple(answer for _, answer in FAULTS)
    weights = tuple(weight for weight, _ in FAULTS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            answer = self.chance.choices(self.kinds, self.weights)[0]
            if answer is None:
                continue
            self.transport.write(answer)
            if not answer or answer.endswith(b"{"):
                self.transport.abort()


def resources() -> tuple[int, int, int]:
    """Tasks, open descriptors and timers."""
    timers = [one for one in getattr(asyncio.get_running_loop(), "_scheduled", []) if not one.cancelled()]
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), len(timers)  # noqa: PTH208 - cheapest count


def resident() -> int:
    """Kilobytes in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


async def soak(calls: int) -> tuple[Counter[str], list[int]]:
    server = await asyncio.get_running_loop().create_server(Faulty, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    numbers = itertools.count()

    async def exchange(present: Tokens) -> Tokens:
        return Tokens(Secret(f"access {next(numbers)}"), Secret("refresh"))

    auth = OAuth2(MemoryTokenStore(Tokens(Secret("access"), Secret("refresh"))), exchange)
    transport = AioTransport(limit=16)
    outcomes: Counter[str] = Counter()
    memory: list[int] = []
    async with ApiClient(
        url,
        transport=transport,
        auth=auth,
        retry=Retry(initial_delay=0.0005, max_delay=0.002, budget=1),
        rate_limit=Limiter(RateLimit(max_requests=1_000_000, window=1.0, strategy="token_bucket")),
        breaker=BreakerRule(consecutive=50, ratio=0.9, open_for=0.001),
        cache=Cache(MemoryCache(max_bytes=1_000_000), stale_if_error=1),
        coalesce=True,
        deadline=0.25,
        hooks=[lambda _: None],
    ) as api:
        left = iter(range(calls))

        async def work() -> None:
            for number in left:
                try:
                    if number % 50 == 0:
                        async with asyncio.timeout(0.0005):  # cancelled at an arbitrary place
                            await api.get(f"/{number % 20_000}")
                    else:
                        await api.request("POST" if number % 10 == 0 else "GET", f"/{number % 20_000}")
                    outcomes["ok"] += 1
                except (ClientError, TimeoutError) as error:
                    outcomes[type(error).__name__] += 1
                if number % (calls // 8) == 0:
                    gc.collect()
                    memory.append(resident())

        await asyncio.gather(*(work() for _ in range(16)))
    await transport.aclose()
    server.close()
    await server.wait_closed()
    return outcomes, memory


async def check(calls: int) -> None:
    await soak(200)
    gc.collect()
    await asyncio.sleep(0.05)
    before = resources()
    outcomes, memory = await soak(calls)
    await asyncio.sleep(0.05)
    gc.collect()
    after = resources()
    assert outcomes.total() == calls
    assert outcomes["ok"] > 0.9 * calls
    assert after[0] <= before[0]
    assert after[1] <= before[1]
    assert after[2] <= before[2] + 1
    assert memory[-1] - memory[len(memory) // 2] < 8_000


async def test_two_thousand_calls_with_faults_leave_nothing_behind() -> None:
    await check(2_000)


@pytest.mark.proof
@pytest.mark.timeout(1800)
async def test_two_hundred_thousand_calls_with_faults_leave_nothing_behind() -> None:
    await check(200_000)
