"""Keeps fifty searches in flight, from a process of its own that steps back for all others.

`python -m bench.serving.searching ADDRESS heavy|light` reads a bearer token from its first line of input, searches
until its input ends, and prints how many were answered. What is refused is asked again as soon as the answer allows it.
Heavy ones are misspelt, which takes PostgreSQL five times as long as light ones.
"""

import asyncio
import os
import sys

import aiohttp
import uvloop

IN_FLIGHT = 50
_PATHS = {
    "heavy": "/api/products?limit=50&search=thnu+naam",
    "light": "/api/products?limit=50&search=thun+nam&offset=5000",
}
_TOO_MANY = 429


async def _search(client: aiohttp.ClientSession, url: str, counted: list[int]) -> None:
    while True:
        async with client.get(url) as answer:
            await answer.read()
            if answer.status == _TOO_MANY:
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            answer.raise_for_status()
        counted.append(1)


async def _main(url: str) -> None:
    headers = {"authorization": f"Bearer {sys.stdin.readline().strip()}"}
    ended, counted = asyncio.Event(), list[int]()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    limits = {"connector": aiohttp.TCPConnector(limit=0), "timeout": aiohttp.ClientTimeout(total=120)}
    async with aiohttp.ClientSession(headers=headers, **limits) as client:  # type: ignore[arg-type] # as named above
        searches = [asyncio.create_task(_search(client, url, counted)) for _ in range(IN_FLIGHT)]
        waiting = asyncio.create_task(ended.wait())
        done, _ = await asyncio.wait([waiting, *searches], return_when=asyncio.FIRST_COMPLETED)
        for one in (waiting, *searches):
            one.cancel()
        await asyncio.gather(waiting, *searches, return_exceptions=True)
        for one in done:
            one.result()
    sys.stdout.write(f"{len(counted)}\n")


if __name__ == "__main__":
    os.nice(19)
    uvloop.run(_main(sys.argv[1] + _PATHS[sys.argv[2]]))
