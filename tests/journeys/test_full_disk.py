"""The disk of the database fills up under a running deployment (PR-15); needs root, for a small disk of its own."""

import asyncio
import json
import os
import shutil
import sys

from tests.journeys.process import home

_SMALL_DISK = 'mount -t tmpfs -o size=140m,mode=755 none "$1" && exec "$2" -m tests.journeys.full_disk "$1"'

if os.geteuid() == 0 and shutil.which("unshare"):

    async def test_PR_15_a_full_disk_is_named_nothing_is_lost_and_all_goes_on_once_there_is_room() -> None:
        with home() as place:
            process = await asyncio.create_subprocess_exec(
                *("unshare", "--mount", "sh", "-c", _SMALL_DISK, "sh", str(place), sys.executable),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(100):
                out, said = await process.communicate()
        assert process.returncode == 0, said.decode()[-2000:]
        told = json.loads(out)
        assert told["refused"] == [[503, "DATABASE_FULL"]] * 3
        assert told["listed"] == 200
        assert told["ended"] == [["succeeded", 60]] * 3
