"""One worker at the independent server: `python independent_refresher.py URL FOLDER CALLERS CONNECTION...`."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.features.connections.refresher import TENANT, call
from tests.given import connections as given
from tests.given import independent, rotor, vault

from isthmus.engine.db import Database
from isthmus.kit.clock import SYSTEM


async def main(url: str, folder: Path, callers: int, ids: list[str]) -> None:
    database = await Database.connect(url, size=8, acquire_timeout=60.0)
    system, clients = given.process(database, SYSTEM, rotor.Far("http://127.0.0.1:9"), call_deadline=given.seconds(60))
    independent.offer(system, folder)
    scope = vault.scope(system, TENANT)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    answers = await asyncio.gather(
        *[call(scope, ids[number % len(ids)]) for number in range(callers)], return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            sys.stderr.write(f"{answer!r}\n")
    await clients.aclose()
    await database.close()
    sys.stdout.write(f"{sum(answer is True for answer in answers)}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
