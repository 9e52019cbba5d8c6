"""What a whole story leaves in the database and shows of it: no secret, no foreign count, no new column, no rest."""

import asyncio
import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import psutil
import pytest
import pytest_asyncio
from tests.given.dumps import dump, forms
from tests.house_database import Copy
from tests.journeys.deployment import KEY, MASTER, Deployment, Merchant
from tests.journeys.routes import SIGNED, belongings

from isthmus.app import FEATURES
from isthmus.features import connections
from isthmus.kit.permissions import USER

PLATFORMS = ("lazada", "shopee", "tiki")
#: The export of everything holds the log, which says each time that somebody took it along.
_TOLD = "/api/tenant/export"
READS = [
    case
    for case in SIGNED
    if case.method == "GET"
    and not case.streams
    and case.for_tenants
    and not case.passes_on
    and case.route.path != _TOLD
]
#: What differs between any two answers; the place that a feed goes on from moves on with time.
#: What a connection is still called for is counted meanwhile.
_COUNTING = "GET /api/connections/{id}/metrics"
_VARYING = ("took", "requestId", "timestamp", "askedAt", "nextCursor", "next")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(running: Deployment) -> dict[str, Merchant]:
    """A merchant of each platform has connected a shop and read it once."""
    people = {}
    for provider in PLATFORMS:
        merchant, connection = await running.owner(provider)
        run = await merchant.sync(connection)
        assert run["state"] == "succeeded", run
        people[provider] = merchant
    return people


def _canaries(running: Deployment, people: dict[str, Merchant]) -> set[str]:
    """Every secret that took part: the platforms' tokens and codes, the apps' keys, our own keys and tokens."""
    found = {MASTER, KEY, *(one.token for one in people.values())}
    for shop in running.sandbox.shops.values():
        hidden = [value for name, value in shop.apps[0].credentials.items() if "key" in name or "secret" in name]
        found |= {value for value in hidden if value != shop.apps[0].key}
        found |= {text for text, token in shop.ledger.tokens.items() if len(text) >= 16}
        found |= {text for text in shop.ledger.codes if len(text) >= 16}
    return found


async def test_VA_16_no_table_queue_event_or_run_holds_a_secret(
    running: Deployment, story: dict[str, Merchant], copied: Copy
) -> None:
    secrets, rows = _canaries(running, story), await dump(copied)
    assert len(secrets) > 2 + 3 * len(PLATFORMS)
    told = {place.rpartition(".")[2] for place, found in rows.items() if found}
    assert {"events", "sync_runs", "connections", "listings", "registrations", "data_keys"} <= told
    assert any("queue" in place for place in rows)
    whole = "\n".join(row for found in rows.values() for row in found)
    assert [secret[:6] + "..." for secret in secrets if any(form in whole for form in forms(secret))] == []


async def test_ER_03_a_merchant_takes_everything_along_and_no_secret(
    running: Deployment, story: dict[str, Merchant]
) -> None:
    merchant = story["tiki"]
    answer = await merchant.call("GET", "/api/tenant/export")
    assert answer.status == 200
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{merchant.tenant_id}-')
    *rows, end = [json.loads(line) for line in bytes(answer.body).splitlines()]
    assert end["end"] is True
    assert {"connections", "listings", "variants", "events", "integrations", "sync_runs"} <= {
        one["table"] for one in rows
    }
    shown = (await merchant.call("GET", "/api/listings?limit=100")).body["items"]
    assert {one["row"]["id"] for one in rows if one["table"] == "listings"} == {one["id"] for one in shown}
    whole = bytes(answer.body).decode()
    assert [one[:6] for one in _canaries(running, story) if any(form in whole for form in forms(one))] == []
    clerk = running.person(merchant.tenant_id, (USER,), "clerk")
    assert (await clerk.call("GET", "/api/tenant/export")).status == 403


async def test_VA_16_a_wake_up_waiting_in_the_queue_names_its_object_and_nothing_else(
    running: Deployment, story: dict[str, Merchant], copied: Copy
) -> None:
    tenant = story["tiki"].tenant_id
    async with running.platform.system.scope(tenant, "test").tx() as tx:
        await tx.enqueue("sync.run", "run_later", after=timedelta(hours=1))
    waiting = [json.loads(row) for place, rows in (await dump(copied)).items() if "queue." in place for row in rows]
    (later,) = [row for row in waiting if row.get("status") == "queued"]
    assert bytes.fromhex(later["payload"].removeprefix("\\x")).decode() == f'["{tenant}","run_later"]'


async def test_PR_20_an_idle_process_asks_nothing_more_than_once_a_second_and_leaves_nothing_behind(
    running: Deployment, story: dict[str, Merchant], copied: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the story set going ends by itself: the sums of its calls, schedules, the platforms' pushes, the search.
    await running.platform.engine.part(connections.Clients).recorder.flush()
    await _quiet(copied)
    asked: Counter[str] = Counter()
    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        _count(monkeypatch, name, asked)
    process = psutil.Process(os.getpid())
    before = {place: len(rows) for place, rows in (await dump(copied)).items()}
    held, tasks = process.num_fds(), len(asyncio.all_tasks())
    asked.clear()
    await asyncio.sleep(3)
    idle = dict(asked)
    assert {place: len(rows) for place, rows in (await dump(copied)).items()} == before
    assert process.num_fds() <= held
    assert len(asyncio.all_tasks()) <= tasks
    # Each loop asks for itself: the reconciler once a round for each look, the others with words of their own.
    looks = sum(len(feature.reconcile) for feature in FEATURES)
    many = 2 * (looks + sum(len(feature.listens) for feature in FEATURES))
    most = {text: many if text in _SHARED else 4 for text in idle}
    assert {text: count for text, count in idle.items() if count > most[text]} == {}


#: What every look of the reconciler and every listener asks in the same words.
_SHARED = ("select pg_try_advisory_xact_lock(359923714)", "select pg_snapshot_xmin(pg_current_snapshot()) as x")


async def _quiet(copied: Copy) -> None:
    """Wait until nothing was written in a round of the reconciler, and no work is about to begin."""
    async with asyncio.timeout(100):
        known, since = None, 0
        while since < 9:
            rows = await dump(copied)
            found = {place: len(held) for place, held in rows.items()}
            known, since = found, since + 1 if found == known and not _due(rows) else 0
            await asyncio.sleep(1)


def _due(rows: dict[str, list[str]]) -> list[Any]:
    """The work that waits in the queue for no later than in half a minute."""
    waiting = [json.loads(row) for place, held in rows.items() if place == "queue.pgqueuer" for row in held]
    soon = datetime.now(UTC) + timedelta(seconds=30)
    return [one for one in waiting if datetime.fromisoformat(one["execute_after"]) < soon]


def _count(patch: pytest.MonkeyPatch, name: str, asked: Counter[str]) -> None:
    sent = getattr(asyncpg.Connection, name)

    async def counted(self: asyncpg.Connection, query: str, *rest: Any, **more: Any) -> Any:
        if not query.lstrip().lower().startswith(("begin", "commit", "rollback")):
            asked[" ".join((*query.split(), *(str(one) for one in rest if isinstance(one, str | int))))] += 1
        return await sent(self, query, *rest, **more)

    patch.setattr(asyncpg.Connection, name, counted)


async def _answers(merchant: Merchant, known: dict[str, str]) -> dict[str, Any]:
    found = {}
    for case in READS:
        answer = await merchant.call("GET", case.call(known).address)
        assert answer.status == 200, (str(case), answer.body)
        found[str(case)] = _steady(answer.body)
    return found


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _steady(inner) for name, inner in value.items() if name not in _VARYING}
    return [_steady(one) for one in value] if isinstance(value, list) else value


async def test_SC_03_lists_totals_and_counts_do_not_move_with_the_rows_of_others(
    running: Deployment, story: dict[str, Merchant], copied: Copy
) -> None:
    amy, bob = story["tiki"], story["lazada"]
    paths = ["/api/products?limit=5&offset=0", "/api/listings?limit=5", "/api/sync/status", "/api/sync/runs?limit=5"]
    before = [_steady((await amy.call("GET", path)).body) for path in paths]
    connection = await asyncpg.connect(copied.admin_url)
    try:
        await _multiply(connection, "products", bob.tenant_id, 20_000)
        await _multiply(connection, "listings", bob.tenant_id, 20_000)
        await _multiply(connection, "sync_runs", bob.tenant_id, 1_000)
    finally:
        await connection.close()
    theirs = (await bob.call("GET", "/api/products?limit=100&offset=5000")).body
    assert (len(theirs["items"]), theirs["hasMore"]) == (100, True)
    assert [_steady((await amy.call("GET", path)).body) for path in paths] == before


async def _multiply(connection: asyncpg.Connection, table: str, tenant: str, count: int) -> None:
    """Copies of one of a tenant's rows, each with what must be its own."""
    columns = [
        row[0]
        for row in await connection.fetch(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped",
            table,
        )
    ]
    own = {"id": "id || '-' || n", "external_id": "external_id || '-' || n"}
    names, values = ", ".join(columns), ", ".join(own.get(name, name) for name in columns)
    await connection.execute(
        f"insert into {table} ({names}) select {values} from generate_series(1, {count}) n, "  # noqa: S608
        f"(select * from {table} where tenant_id = '{tenant}' limit 1) one on conflict do nothing"
    )


async def test_MA_03_a_new_column_appears_in_no_answer(
    running: Deployment, story: dict[str, Merchant], copied: Copy
) -> None:
    amy, connection = await running.owner("shopee")
    run = (await amy.call("GET", "/api/sync/runs?limit=1")).body["items"][0]["id"]
    known = await belongings(running, amy, connection, run)
    before = await _settled(amy, known)
    admin = await asyncpg.connect(copied.admin_url)
    try:
        for (table,) in await admin.fetch("select tablename::text from pg_tables where schemaname = 'public'"):
            await admin.execute(f"alter table {table} add column canary_x text default 'c4n4ry'")
    finally:
        await admin.close()
    after = await _answers(amy, known)
    assert "c4n4ry" not in str(after)
    assert "canary_x" not in str(after)
    assert {**after, _COUNTING: None} == {**before, _COUNTING: None}


async def _settled(amy: Merchant, known: dict[str, str]) -> dict[str, Any]:
    """What every read answers once nothing of hers is under way: her endpoint is paused, and no attempt is planned."""
    assert (await amy.call("PATCH", f"/api/webhooks/endpoints/{known['whe']}", {"state": "paused"})).status == 200
    async with asyncio.timeout(60):
        while True:
            answers = await _answers(amy, known)
            if not await _planned(amy, known["whe"]) and await _answers(amy, known) == answers:
                return answers
            await asyncio.sleep(0.2)


async def _planned(amy: Merchant, endpoint: str) -> list[str]:
    deliveries = (await amy.call("GET", f"/api/webhooks/deliveries?endpointId={endpoint}")).body["items"]
    return [one["id"] for one in deliveries if one["nextAt"]]
