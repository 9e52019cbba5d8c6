"""`python -m tests.journeys.full_disk FOLDER`: a deployment on a small disk that fills up and is freed again.

Prints what callers were told meanwhile, and how the runs ended after it. FOLDER is a file system of its own.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from tests.journeys.deployment import Merchant
from tests.journeys.process import up

PLATFORMS = ("lazada", "shopee", "tiki")


async def _trigger(amy: Merchant, connection: str) -> Any:
    return await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"})


async def _main(folder: Path) -> None:
    place = folder / "home"
    place.mkdir(mode=0o755)
    async with up(place, products=60) as running:
        amy = await running.merchant("Amy")
        shops = [await amy.connect(provider) for provider in PLATFORMS]
        _fill(folder / "filler")
        refused = [await _trigger(amy, shop) for shop in shops]
        listed = await amy.call("GET", "/api/products")
        (folder / "filler").unlink()
        begun = [await _trigger(amy, shop) for shop in shops]
        ended = [await amy.finished(run.body["id"]) for run in begun]
    told = {
        "refused": [[answer.status, answer.body["error"]["code"]] for answer in refused],
        "listed": listed.status,
        "ended": [[run["state"], run["created"]] for run in ended],
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"\0" * 65536)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
