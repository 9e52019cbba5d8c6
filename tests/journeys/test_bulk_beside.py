"""Bulk work has a process of its own, which ends with its parent; it and what is heavy step back (RL-08, RL-12)."""

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
            assert worker.nice() == min(19, psutil.Process(running.process.pid).nice() + 15)

            await running.kill()
            await asyncio.to_thread(worker.wait, 60)

            await running.start()
            assert (await _imported(amy))["state"] == "succeeded"
            [worker] = _beside(running)
            await running.stop()
            assert running.process.returncode == 0
            assert not worker.is_running()


async def test_RL_12_searches_and_exports_go_over_sessions_that_step_back_for_all_others() -> None:
    def stepped_back() -> int:
        assert running.process is not None
        own = psutil.Process(running.process.pid)
        return sum(one.nice() > own.nice() for one in own.children(recursive=True))

    with home() as place:
        async with up(place, BULK_NICE="3") as running:
            amy = await running.merchant("Amy")
            await amy.call("GET", "/api/products")
            assert stepped_back() == 0
            await amy.call("GET", "/api/products?search=tea")
            assert stepped_back() == 1
            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(amy.call("GET", "/api/products?search=tea"))
                    group.create_task(amy.call("GET", "/api/orders/export"))
            assert 1 <= stepped_back() <= 5  # half of the process's connections at most
