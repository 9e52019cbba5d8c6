"""The same promises put together from libraries: httpx2, tenacity, limits and purgatory."""

import asyncio
import sys

import httpx2
import uvloop
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from purgatory import AsyncCircuitBreakerFactory
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from bench.outbound.driver import drive


async def main(url: str) -> None:
    """Call until the input ends."""
    limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
    rate = parse("1000000000/minute")
    breakers = AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=30)
    retrying = AsyncRetrying(
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(multiplier=0.5, max=10),
        retry=retry_if_exception_type(httpx2.TransportError),
        reraise=True,
    )
    limits = httpx2.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx2.AsyncClient(limits=limits, timeout=30.0) as client:

        async def once() -> None:
            if not await limiter.hit(rate, "host"):
                raise RuntimeError("the limit of the benchmark is never reached")
            async with await breakers.get_breaker("host"):
                reply = await client.get(url)
                reply.raise_for_status()

        async def call() -> None:
            async with asyncio.timeout(30.0):
                await retrying(once)

        await drive(call)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
