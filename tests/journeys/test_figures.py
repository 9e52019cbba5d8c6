"""What a whole deployment tells Prometheus, on the API's address and on one of its own."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import aiohttp
from tests.journeys.deployment import Deployment

from isthmus.app import serve_metrics
from isthmus.http.server import bind


async def _page(address: str) -> str:
    async with aiohttp.ClientSession() as browser, browser.get(f"{address}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


async def test_a_synced_shop_shows_in_every_figure_and_is_named_in_none(running: Deployment) -> None:
    amy, shop = await running.owner("tiki")
    await amy.sync(shop)
    # Something that waits: whether anything else does depends on the moment.
    async with running.platform.system.scope(amy.tenant_id, "test").tx() as tx:
        await tx.enqueue("sync.run", "run_later", after=timedelta(hours=1))
    text = await _page(running.address)
    for name in (
        'isthmus_http_request_seconds_count{route="/api/sync/products",method="POST",status="2xx"}',
        'isthmus_database_connections{state="lent"}',
        'isthmus_queue_wakes{job="',
        "isthmus_queue_oldest_seconds",
        "isthmus_audit_unsealed_seconds",
        "isthmus_webhook_deliveries_planned",
        'isthmus_platform_calls_total{provider="tiki",outcome="ok"}',
        "isthmus_rooms_answer 1",
        "process_resident_memory_bytes",
    ):
        assert name in text, name
    assert amy.tenant_id not in text
    assert shop not in text
    assert "Amy" not in text


async def test_figures_may_have_an_address_of_their_own(running: Deployment) -> None:
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    settings = replace(running.platform.http_settings, metrics_address=f"127.0.0.1:{port}")
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_metrics(replace(running.platform, http_settings=settings), stop))
    async with asyncio.timeout(60):
        while True:
            try:
                text = await _page(f"http://127.0.0.1:{port}")
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)
    assert "isthmus_rooms_answer 1" in text
    stop.set()
    await serving
