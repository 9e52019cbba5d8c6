"""`python -m bench.pushing.sandboxes RATE PRODUCTS NAMES`: sandboxes that take RATE calls a second each.

Prints where they answer and their apps' credentials as JSON, then, for each line of stdin, how many writing calls each
has served and the seconds from the first to the last of them; ends with stdin.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

import msgspec

from isthmus.sandbox import SandboxServer, Shop
from isthmus.sandbox.throttle import Throttle


def _served(shop: Shop) -> dict[str, float]:
    """Writing calls by their effects: the requests that set stock, and the time from the first to the last."""
    effects = shop.effects.of(field="stock")
    times = sorted({(one.at, one.request) for one in effects})
    numbers = sorted({request for _, request in times})
    calls = len(numbers)
    return {
        "calls": calls,
        "effects": len(effects),
        "all": numbers[-1] - numbers[0] + 1,
        "first": _moment(times[0][0]),
        "last": _moment(times[-1][0]),
    }


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def _main(rate: float, products: int, platforms: Sequence[str]) -> None:
    async with SandboxServer(platforms, products=products, orders=1) as server:
        for shop in server.shops.values():
            shop.throttle = Throttle(shop.clock, rate)
            shop.auto_consent = "approve"
        told = {
            name: {"hosts": shop.hosts, "credentials": shop.apps[0].credentials} for name, shop in server.shops.items()
        }
        print(msgspec.json.encode(told).decode(), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(
                msgspec.json.encode(
                    {name: _served(shop) for name, shop in server.shops.items() if shop.effects.of(field="stock")}
                ).decode(),
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")))
