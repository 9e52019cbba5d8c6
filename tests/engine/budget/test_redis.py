"""The shared quota on a Redis-compatible server: exact over processes, bounded in time, never guessed."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from isthmus.client import Limiter, RateLimit
from isthmus.client.budget import BudgetRule
from isthmus.engine.budget import RedisBudget
from isthmus.kit.errors import Unavailable


@dataclass
class StandIn:
    """Answers GET, TIME, AUTH, SELECT and the one script, as such a server does."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    seen: list[bytes] = field(default_factory=list)
    silent: bool = False
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                count = int((await reader.readuntil(b"\r\n"))[1:])
                parts = []
                for _ in range(count):
                    length = int((await reader.readuntil(b"\r\n"))[1:])
                    parts.append((await reader.readexactly(length + 2))[:-2])
                self.seen.append(parts[0])
                if not self.silent:
                    writer.write(self.answer(parts))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, parts: list[bytes]) -> bytes:
        if parts[0] == b"GET":
            found = self.values.get(parts[1])
            return b"$-1\r\n" if found is None else b"$%d\r\n%b\r\n" % (len(found), found)
        if parts[0] == b"TIME":
            now = [b"%d" % int(time.time()), b"%d" % (time.time() % 1 * 1_000_000)]
            return b"*2\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in now)
        if parts[0] == b"EVAL":
            key, before, after = parts[3:6]
            if self.values.get(key, b"") != before:
                return b":0\r\n"
            self.values[key] = after
            return b":1\r\n"
        return b"+OK\r\n" if parts[-1] in {b"secret", b"2"} else b"-ERR wrong\r\n"


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    made = StandIn()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"redis://:secret@127.0.0.1:{listening.sockets[0].getsockname()[1]}/2"
    yield made
    listening.close()
    await listening.wait_closed()
    await asyncio.sleep(0.01)


async def test_RL_03_ten_workers_together_take_no_more_than_there_is(server: StandIn) -> None:
    rule = BudgetRule(100, 60.0, reserve=5)
    budgets = [RedisBudget(server.url) for _ in range(10)]
    grants = await asyncio.gather(*(budget.lease("app", 7, rule) for budget in budgets * 4))
    assert sum(one.permits for one in grants) == 95
    urgent = await asyncio.gather(*(budget.lease("app", 1, replace(rule, urgent=True)) for budget in budgets))
    assert sum(one.permits for one in urgent) == 5, "RL-07: what only urgent leases get, together exactly the quota"
    assert (await budgets[0].lease("app", 1, rule)).wait_seconds > 60, "the claim is kept, although nothing was granted"
    assert all(one.wait_seconds > 0 for one in grants if not one.permits)
    assert {b"AUTH", b"SELECT"} <= set(server.seen)
    for budget in budgets:
        await budget.aclose()


async def test_a_limiter_draws_blocks_from_it(server: StandIn) -> None:
    budget = RedisBudget(server.url)
    limiter = Limiter(RateLimit(max_requests=60, window=60.0), budget=budget, block=20)
    await asyncio.gather(*(limiter.acquire("shop") for _ in range(40)))
    assert server.seen.count(b"EVAL") <= 3
    await budget.aclose()


async def test_no_permit_is_guessed_when_the_server_is_silent_or_says_no(server: StandIn) -> None:
    for url, silent in (
        (server.url, True),
        (server.url.replace("secret", "wrong"), False),
        ("redis://127.0.0.1:1", False),
    ):
        server.silent = silent
        budget = RedisBudget(url, deadline=0.1)
        with pytest.raises(Unavailable):
            await budget.lease("app", 1, BudgetRule(10, 1.0))
        server.silent = False
    budget = RedisBudget(server.url, deadline=0.1)
    server.silent = True
    with pytest.raises(Unavailable):
        await budget.lease("app", 1, BudgetRule(10, 1.0))
    server.silent = False
    assert (await budget.lease("app", 1, BudgetRule(10, 1.0))).permits == 1
    await budget.aclose()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://", "127.0.0.1:6379"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Redis URL"):
        RedisBudget(url)
