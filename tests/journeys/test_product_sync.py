"""A merchant's products come in as files and as signed events, over HTTP."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from tests.journeys.deployment import Deployment, Form, Merchant

from isthmus.kit import webhooks
from isthmus.kit.secret import Secret

ROWS = "product_id,title,sku,price,stock\np1,Tea,T-1,2.50,4\np2,<script>alert(1)</script>Mug,M-1,7,1\np3,Cup,C-1,x,1\n"


async def _ended(amy: Merchant, path: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await amy.call("GET", path)).body["data"]
            if found["finishedAt"]:
                return found
            await asyncio.sleep(0.05)


async def test_a_file_is_previewed_taken_counted_and_comes_out_again(running: Deployment) -> None:
    amy = await running.merchant("Files")
    root = f"/api/merchants/{amy.tenant_id}/product-sync"
    answer = await amy.call("POST", f"{root}/preview", Form(file=ROWS))
    assert answer.status == 200, answer.body
    seen = answer.body["data"]
    assert (seen["format"], [one["id"] for one in seen["products"]]) == ("isthmus", ["p1", "p2"])
    assert [(one["line"], one["column"]) for one in seen["errors"]] == [(4, "price")]
    sent = await amy.call("POST", f"{root}/upload", Form(file=ROWS, currency="EUR"))
    assert (sent.status, sent.body["success"]) == (202, True)
    path = f"{root}/uploads/{sent.body['data']['id']}"
    done = await _ended(amy, path)
    assert (done["state"], done["created"], done["failed"], done["errors"]) == ("succeeded", 2, 1, 1)
    (error,) = (await amy.call("GET", f"{path}/errors")).body["data"]["items"]
    assert (error["line"], error["column"], error["value"]) == (4, "price", "x")
    as_file = (await amy.call("GET", f"{path}/errors.csv")).body.decode()
    assert as_file.splitlines()[1].startswith('"4","price","x"')
    products = (await amy.call("GET", "/api/products")).body["items"]
    assert {one["title"] for one in products} == {"Tea", "<script>alert(1)</script>Mug"}
    out = (await amy.call("GET", "/api/products/export?connectionId=own")).body.decode()
    assert out.count("\r\n") == 3
    history = (await amy.call("GET", f"{root}/history")).body["data"]["items"]
    assert [one["kind"] for one in history] == ["upload"]
    assert (await amy.call("GET", f"{root}/status")).body["data"]["last"]["state"] == "succeeded"


async def test_a_file_in_parts_goes_on_after_a_broken_line(running: Deployment) -> None:
    amy = await running.merchant("Parts")
    root = f"/api/merchants/{amy.tenant_id}/product-sync/uploads"
    begun = (await amy.call("POST", root, {"name": "p.csv", "size": len(ROWS.encode())})).body["data"]
    headers = {"authorization": f"Bearer {amy.token}", "content-type": "application/octet-stream"}
    for start in (0, 0, 40):
        part = ROWS.encode()[start : 40 if start == 0 else None]
        url = f"{running.address}{root}/{begun['id']}/parts/{start}"
        async with amy.browser.put(url, data=part, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    assert (await amy.call("POST", f"{root}/{begun['id']}/start")).status == 202
    assert (await _ended(amy, f"{root}/{begun['id']}"))["created"] == 2


async def test_signed_events_are_taken_and_others_are_not(running: Deployment) -> None:
    amy = await running.merchant("Events")
    root = f"/api/merchants/{amy.tenant_id}/product-sync"
    made = (await amy.call("POST", f"{root}/config", {"source": "webhook"})).body["data"]
    secret = Secret(made["webhookSecret"])
    again = (await amy.call("PUT", f"{root}/config", {"source": "webhook", "onError": "stop"})).body["data"]
    assert (again["webhookSecret"], again["hasSecret"], again["onError"]) == (None, True, "stop")

    async def told(name: str, kind: str, data: Any, key: Secret = secret) -> tuple[int, Any]:
        body = json.dumps({"type": kind, "data": data}).encode()
        headers = webhooks.headers([key], name, int(datetime.now(UTC).timestamp()), body)
        async with amy.browser.post(f"{running.address}{root}/webhook", data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    status, answer = await told("msg_1", "product.upserted", [{"id": "w1", "title": "Tea", "price": "1.5"}])
    assert status == 202, answer
    assert (await _ended(amy, f"{root}/uploads/{answer['data']['id']}"))["created"] == 1
    status, answer = await told("msg_2", "product.deleted", {"id": "w1"})
    assert (await _ended(amy, f"{root}/uploads/{answer['data']['id']}"))["updated"] == 1
    assert (await amy.call("GET", "/api/listings")).body["items"][0]["status"] == "deleted"
    assert (await told("msg_3", "product.upserted", {"id": "w2"}, webhooks.new_secret()))[0] == 401
    assert (await told("msg_4", "product.exploded", {"id": "w2"}))[0] == 400


async def test_events_for_what_can_be_no_merchant_are_answered_as_those_for_an_unknown_one(running: Deployment) -> None:
    amy = await running.merchant("Nobody's")
    answers = []
    for merchant in (amy.tenant_id, "ten_nobodys", "D%C2%B4", "-", "a" * 101, "%00"):
        path = f"/api/merchants/{merchant}/product-sync/webhook"
        async with amy.browser.post(running.address + path, json={}) as answer:
            answers.append((answer.status, (await answer.json())["error"]["code"]))
    assert answers[:-1] == [(401, "UNAUTHORIZED")] * 5
    assert answers[-1] == (404, "NOT_FOUND"), "an address that is no plain text"


async def test_what_is_not_set_or_not_there_is_said(running: Deployment) -> None:
    amy = await running.merchant("Nothing")
    root = f"/api/merchants/{amy.tenant_id}/product-sync"
    assert (await amy.call("GET", f"{root}/config")).body["error"]["code"] == "SYNC_NOT_CONFIGURED"
    assert (await amy.call("POST", f"{root}/trigger")).status == 404
    assert (await amy.call("GET", f"{root}/status")).body["data"]["configured"] is False
    wrong = await amy.call("POST", f"{root}/config", {"source": "connection"})
    assert (wrong.status, wrong.body["error"]["details"]["fields"][0]["path"]) == (400, "connectionId")
    cron = await amy.call("POST", f"{root}/config", {"source": "upload", "schedule": "often"})
    assert cron.status == 400
    assert (await amy.call("GET", "/api/merchants/ten_other/product-sync/status")).status == 404
    assert (await amy.call("POST", f"{root}/upload", {"no": "file"})).status in (400, 415)


async def test_a_trigger_reads_the_configured_shop_and_a_schedule_does_so_by_itself(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    root = f"/api/merchants/{amy.tenant_id}/product-sync"
    body = {"source": "connection", "connectionId": connection, "schedule": "*/5 * * * *"}
    set_ = (await amy.call("POST", f"{root}/config", body)).body["data"]
    assert set_["nextAt"] is not None
    run = await amy.call("POST", f"{root}/trigger")
    assert run.status == 202, run.body
    ended = await amy.finished(run.body["data"]["id"])
    assert ended["state"] == "succeeded"
    history = (await amy.call("GET", f"{root}/history?kind=run&state=succeeded")).body["data"]
    assert (history["items"][0]["kind"], history["limit"]) == ("run", 50)


async def test_the_rule_of_the_configuration_decides_over_every_field_of_its_shop(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    root = f"/api/merchants/{amy.tenant_id}/product-sync/config"
    rules = f"/api/sync/conflicts/rules/{connection}"

    async def ruled(**wanted: str) -> dict[str, str]:
        body = {"source": "connection", "connectionId": connection, **wanted}
        assert (await amy.call("POST", root, body)).body["data"]["conflictRule"] == wanted.get("conflictRule")
        async with asyncio.timeout(60):
            while True:
                found: dict[str, str] = (await amy.call("GET", rules)).body["own"]
                if found.get("stock") == wanted.get("conflictRule"):
                    return found
                await asyncio.sleep(0.05)

    assert set((await ruled(conflictRule="local")).values()) == {"local"}
    amounts = await ruled(conflictRule="lowest")
    assert (set(amounts.values()), len(amounts), "title" in amounts) == ({"lowest"}, 3, False)
    assert (await amy.call("PUT", rules, {})).body["own"] == {}
    assert await ruled() == {}
