"""An import is done by a process of its own, which steps back and does not outlive the one it belongs to (RL-08)."""

import asyncio
from typing import Any

import aiohttp
import psutil
from tests.journeys.deployment import Merchant
from tests.journeys.process import Up, home, up

_FILE = b"product_id,title,sku,price\np1,Tea,T,1\n"


def _beside(running: Up) -> list[psutil.Process]:
    assert running.process is not None
    below = psutil.Process(running.process.pid).children()
    return [one for one in below if "--beside" in one.cmdline()]


async def _imported(amy: Merchant) -> dict[str, Any]:
    root = f"/api/merchants/{amy.tenant_id}/product-sync"
    form = aiohttp.FormData()
    form.add_field("file", _FILE, filename="rows.csv", content_type="text/csv")
    form.add_field("currency", "VND")
    url, signed_in = f"{amy.deployment.address}{root}/upload", {"authorization": f"Bearer {amy.token}"}
    async with amy.browser.post(url, data=form, headers=signed_in) as answer:
        upload = (await answer.json())["data"]["id"]
    async with asyncio.timeout(90):
        while True:
            shown: dict[str, Any] = (await amy.call("GET", f"{root}/uploads/{upload}")).body["data"]
            if shown["finishedAt"]:
                return shown
            await asyncio.sleep(0.1)


async def test_RL_08_bulk_work_has_a_process_of_its_own_that_ends_with_its_parent() -> None:
    with home() as place:
        async with up(place, BULK_APART="true") as running:
            assert running.process is not None
            amy = await running.merchant("Amy")
            assert _beside(running) == []

            assert (await _imported(amy))["state"] == "succeeded"
            [worker] = _beside(running)
            assert worker.nice() == min(19, psutil.Process(running.process.pid).nice() + 5)

            await running.kill()
            await asyncio.to_thread(worker.wait, 60)

            await running.start()
            assert (await _imported(amy))["state"] == "succeeded"
            [worker] = _beside(running)
            await running.stop()
            assert running.process.returncode == 0
            assert not worker.is_running()
