"""The whole pipeline: retry, limiter, breaker, deadline, guard and a hook."""

import sys

import uvloop

from bench.outbound.driver import drive
from isthmus.client import AddressGuard, ApiClient, RateLimit


async def main(url: str) -> None:
    """Call until the input ends."""
    async with ApiClient(
        url,
        rate_limit=RateLimit(max_requests=10**9, window=60.0, strategy="token_bucket"),
        guard=AddressGuard(allow=("127.0.0.0/8",)),
        hooks=[lambda _: None],
        deadline=30.0,
    ) as api:
        await drive(lambda: api.get("/"))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
