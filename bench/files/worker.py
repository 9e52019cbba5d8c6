"""`python -m bench.files.worker DATABASE_URL FILE FOLDER`: one upload; prints its CPU seconds and memory as JSON."""

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from isthmus.connect import registry
from isthmus.engine.blobs import FolderBlobs
from isthmus.engine.bus import Bus
from isthmus.engine.db import Database
from isthmus.engine.queue import PgQueue
from isthmus.features import uploads
from isthmus.features.uploads import Wish
from isthmus.features.uploads.service import running
from isthmus.features.uploads.settings import Settings
from isthmus.kit.memory import collect_less_often
from isthmus.kit.permissions import system
from isthmus.scope import Engine, Scope

_PIECE = 262_144


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece


async def take(url: str, file: Path, folder: Path) -> dict[str, object]:
    """Receive the file and work it off."""
    database = await Database.connect(url, size=4)
    parts = (Settings(), uploads.Formats(registry.folders()), FolderBlobs(folder))
    engine = Engine(database, Bus(database), PgQueue(database), {type(part): part for part in parts})
    scope = Scope("ten_bench", system("ten_bench", "bench"), engine)
    sent = await uploads.send(scope, Wish(name=file.name), _pieces(file))
    await running.work(scope, sent.id)
    done = await uploads.upload(scope, sent.id)
    await database.close()
    used = os.times()
    return {
        "state": done.state,
        "error": done.error_message,
        "rows": done.rows,
        "created": done.created,
        "unchanged": done.unchanged,
        "cpu": used.user + used.system,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    collect_less_often()
    print(json.dumps(uvloop.run(take(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))))
