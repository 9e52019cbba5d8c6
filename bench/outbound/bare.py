"""aiohttp on uvloop and nothing else."""

import sys

import aiohttp
import uvloop

from bench.outbound.driver import drive


async def main(url: str) -> None:
    """Call until the input ends."""
    async with aiohttp.ClientSession() as session:

        async def call() -> None:
            async with session.get(url) as reply:
                await reply.read()

        await drive(call)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
