"""Nothing is acknowledged before it is kept, nothing is kept that was not believed, and repeats take no effect."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from nacl.signing import SigningKey
from tests.given import caps
from tests.given import catalog as catalog_given
from tests.given import vault as vault_given
from tests.given import webhooks_in as given
from tests.given.webhooks_in import GITHUB, World
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import catalog, connections, vault
from isthmus.features.webhooks_in.errors import PushesNothing, SourceNotFound, TooManySources
from isthmus.features.webhooks_in.model.deliveries import LiveSource
from isthmus.features.webhooks_in.service import finding, looking, managing, simulating
from isthmus.features.webhooks_in.service.managing import Fresh, Wanted
from isthmus.features.webhooks_in.service.simulating import Wish
from isthmus.features.webhooks_in.settings import Settings
from isthmus.http import Arrival, Departure, Outcome
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask
from isthmus.kit.secret import Secret
from isthmus.scope import Scope


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    made = given.world(database)
    await vault.check_canary(made.system)
    yield made
    await made.intake.settle()


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(world: World) -> None:
    await world.intake.settle()
    async with world.system.tx() as tx:
        for table in ("webhook_inbox", "webhook_seen", "webhook_mail", "webhook_refused", "webhook_sources"):
            await (await tx.connection()).execute(f"delete from {table}")  # noqa: S608 - names of ours


async def kept(world: World) -> int:
    return int((await world.rows("select count(id) as n from webhook_inbox"))[0]["n"])


async def test_a_believed_delivery_is_kept_with_its_verdict_and_answered(world: World) -> None:
    seen, token = await world.source()
    body = b'{"repository":{"full_name":"octo/hello"}}'
    answer = await world.push(
        "ten_one", seen, token, body, x_github_event="push", x_github_delivery="d-1", cookie="a=b"
    )
    assert (answer.status, answer.body, answer.refused) == (200, b"", False)
    rows = await world.rows("select tenant_id, topic, event, object, verdict, headers, body, state from webhook_inbox")
    assert len(rows) == 1
    row = rows[0]
    assert (row["tenant_id"], row["topic"], row["object"]) == ("ten_one", "push", "octo/hello")
    assert (row["body"], row["state"], row["verdict"]["reason"]) == (body, "received", "verified")
    assert row["headers"]["cookie"] == "***"
    assert given.GITHUB.reveal() not in json.dumps(row["headers"])
    again = await managing.source(world.scope("ten_one"), seen.source.id)
    assert again.source.first_verified_at is not None
    assert (again.received, again.repeated) == (1, 0)


async def test_PR_02_a_repeat_is_acknowledged_and_counted_and_kept_once(world: World) -> None:
    seen, token = await world.source()
    for ray in ("1", "2", "3"):
        answer = await world.push("ten_one", seen, token, b"{}", x_github_delivery="d-1", cf_ray=ray)
        assert answer.status == 200
    assert await kept(world) == 1
    await asyncio.gather(
        *(world.push("ten_one", seen, token, b"{}", x_github_delivery=f"d-{n % 10}", n=str(n)) for n in range(50))
    )
    assert await kept(world) == 10
    again = await managing.source(world.scope("ten_one"), seen.source.id)
    assert (again.received, again.repeated) == (10, 43)


async def test_PR_02_two_intakes_keep_one_event_once(world: World, database: Database) -> None:
    seen, token = await world.source()
    other = given.world(database)
    both = [
        one.push("ten_one", seen, token, b"{}", x_github_delivery=f"d-{n}") for n in range(30) for one in (world, other)
    ]
    assert {answer.status for answer in await asyncio.gather(*both)} == {200}
    assert await kept(world) == 30


async def test_a_delivery_id_over_another_product_is_another_event(world: World) -> None:
    seen, token = await world.source(provider="woocommerce", secret=Secret("wc_secret"))
    headers = {"x_wc_webhook_topic": "product.updated", "x_wc_webhook_delivery_id": "same"}
    for body in (b'{"id":1}', b'{"id":2}', b'{"id":1}'):
        await world.push("ten_one", seen, token, body, **headers)
    assert await kept(world) == 2


async def test_a_burst_shares_commits_and_wakes_the_router_once(world: World) -> None:
    seen, token = await world.source()
    before = (await world.rows("select count(id) as n from queue.pgqueuer where entrypoint = 'webhooks_in.route'"))[0][
        "n"
    ]
    sent = [world.push("ten_one", seen, token, b"{}", x_github_delivery=f"d-{n}") for n in range(200)]
    assert {answer.status for answer in await asyncio.gather(*sent)} == {200}
    assert await kept(world) == 200
    commits = await world.rows("select count(distinct xmin::text) as n from webhook_inbox")
    assert commits[0]["n"] <= 25
    after = (await world.rows("select count(id) as n from queue.pgqueuer where entrypoint = 'webhooks_in.route'"))[0][
        "n"
    ]
    assert after - before == 1


async def test_no_letter_in_one_delivery_moves_what_another_of_the_same_commit_says(world: World) -> None:
    seen, token = await world.source()
    topics = {"one": "push\x1fissues", "two": "issues", "three": "\x1f\x1f"}
    sent = [
        world.push("ten_one", seen, token, b'{"n":1}', x_github_delivery=f"moved-{name}", x_github_event=topic)
        for name, topic in topics.items()
    ]
    assert [answer.status for answer in await asyncio.gather(*sent)] == [200] * 3
    rows = [
        row
        for row in await world.rows("select source_id, topic, headers, provider, state, query from webhook_inbox")
        if row["source_id"] == seen.source.id
    ]
    kept = {row["headers"]["x-github-delivery"]: row for row in rows}
    assert {name: kept[f"moved-{name}"]["topic"] for name in topics} == {
        "one": "push\ufffdissues",
        "two": "issues",
        "three": "\ufffd\ufffd",
    }
    assert {(row["provider"], row["state"], row["query"]) for row in rows} == {("github", "received", "")}
    assert [kept[f"moved-{name}"]["headers"]["x-github-event"] for name in topics] == list(topics.values())


async def test_WH_08_what_is_not_believed_leaves_only_a_refusal(world: World) -> None:
    seen, token = await world.source()
    for forged in range(40):
        answer = await world.send(
            token, b"{}", {"x-hub-signature-256": f"sha256={forged:064x}", "authorization": "Bearer x"}
        )
        assert (answer.status, answer.refused, answer.body) == (401, True, b"")
    await world.intake.settle()
    assert await kept(world) == 0
    assert await world.rows("select digest from webhook_seen") == []
    page = await looking.refused(world.scope("ten_one"), seen.source.id, Ask(limit=100))
    assert 0 < len(page.items) <= 40
    assert page.items[0]["reason"] == "wrong_signature"
    assert page.items[0]["headers"]["authorization"] == "***"
    with pytest.raises(SourceNotFound):
        await looking.refused(world.scope("ten_two"), seen.source.id, Ask())


async def test_WH_08_the_refusals_are_a_short_ring(database: Database) -> None:
    small = given.world(database, refused_kept=5)
    _, token = await small.source()
    for round_ in range(4):
        for forged in range(4):
            await small.send(token, b"{}", {"x-hub-signature-256": f"sha256={round_ * 4 + forged:064x}"})
        await small.intake.settle()
    assert (await small.rows("select count(id) as n from webhook_refused"))[0]["n"] == 5


async def test_WH_05_an_unknown_address_is_refused_and_no_row_is_written(world: World) -> None:
    for token in ("", "x", "../etc", "A" * 27, "A" * 10_000, "é" * 27):
        assert (await world.send(token, b"{}", {})).status == 401
    assert await world.rows("select id from webhook_refused") == []


async def test_WH_05_a_rotated_address_answers_until_the_overlap_ends(database: Database) -> None:
    clock = ManualClock()
    world = given.world(database, clock, overlap=timedelta(hours=1))
    seen, old = await world.source()
    rotated = await managing.rotate(world.scope("ten_one"), seen.source.id, Fresh(token=True))
    assert rotated.url is not None
    new = rotated.url.reveal().rpartition("/")[2]
    for number, token in enumerate((old, new)):
        assert (await world.push("ten_one", seen, token, b"{}", x_github_delivery=str(number))).status == 200
    clock.advance(3600)
    assert (await world.push("ten_one", seen, old, b"{}", x_github_delivery="9")).status == 401
    assert (await world.push("ten_one", seen, new, b"{}", x_github_delivery="10")).status == 200


async def test_a_rotated_secret_counts_until_the_overlap_ends(database: Database) -> None:
    clock = ManualClock()
    world = given.world(database, clock, overlap=timedelta(hours=1))
    seen, token = await world.source()
    scope = world.scope("ten_one")
    known = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    await managing.rotate(scope, seen.source.id, Fresh(secret=Secret("another secret of ours")))
    assert (await world.send(token, b"Hello, World!", known)).status == 200
    clock.advance(3600)
    assert (await world.send(token, b"Hello, World!", known)).status == 401


async def test_a_new_secret_and_the_end_of_a_pause_count_at_once(database: Database) -> None:
    clock = ManualClock()
    world = given.world(database, clock, source_cache=timedelta(minutes=1))
    scope, (seen, token) = world.scope("ten_one"), await world.source()
    new = Secret("another secret of ours")

    def signed(body: bytes, secret: Secret) -> dict[str, str]:
        return {"x-hub-signature-256": f"sha256={hmac.new(secret.reveal().encode(), body, 'sha256').hexdigest()}"}

    def begun(body: bytes, secret: Secret) -> bool:
        sent = signed(body, secret)
        arrival = Arrival(
            method="POST", path=token, query=b"", headers=sent, body=body, address="203.0.113.7", request_id="req_1"
        )
        return world.intake.begin(arrival, lambda _: None)

    assert (await world.send(token, b"1", signed(b"1", given.GITHUB))).status == 200
    await managing.rotate(scope, seen.source.id, Fresh(secret=new))
    clock.advance(1)
    # the short way leaves it to the other one, which looks again
    assert not begun(b"2", new)
    assert (await world.send(token, b"2", signed(b"2", new))).status == 200
    await managing.change(scope, seen.source.id, {"paused": True})
    clock.advance(61)
    assert (await world.send(token, b"3", signed(b"3", new))).status == 503
    await managing.change(scope, seen.source.id, {"paused": False})
    clock.advance(1)
    assert (await world.send(token, b"3", signed(b"3", new))).status == 200
    # strangers make nobody look more than twice a second
    assert begun(b"4", Secret("nobody's"))
    await world.intake.settle()
    refused = await world.rows("select source_id, reason from webhook_refused")
    assert [row["reason"] for row in refused if row["source_id"] == seen.source.id] == ["wrong_signature"]


async def test_PR_02_events_with_the_same_body_are_no_repeats_where_the_platform_tells_them_apart(world: World) -> None:
    seen, token = await world.source(provider="gitlab", secret=Secret("token-of-ours"))
    for key, fresh in (("k1", True), ("k2", True), ("k1", False)):
        before = (await managing.source(world.scope("ten_one"), seen.source.id)).repeated
        assert (await world.push("ten_one", seen, token, b'{"active":true}', idempotency_key=key)).status == 200
        after = (await managing.source(world.scope("ten_one"), seen.source.id)).repeated
        assert (after == before) is fresh, key


async def test_secrets_are_sealed_and_never_shown(world: World) -> None:
    seen, _ = await world.source()
    rows = await world.rows("select sealed from webhook_secrets")
    assert given.GITHUB.reveal().encode() not in rows[0]["sealed"]
    assert given.GITHUB.reveal() not in repr(await managing.source(world.scope("ten_one"), seen.source.id))
    tokens = await world.rows("select token_hash, hint from webhook_tokens")
    assert len(tokens[0]["token_hash"]) == 32
    assert seen.url is not None
    assert seen.url.reveal() not in repr(seen)


async def test_a_secret_moves_to_a_new_data_key(world: World) -> None:
    seen, token = await world.source()
    before = await world.rows("select sealed from webhook_secrets")
    await vault.rotate(world.system, data=True)
    assert await managing.reseal(world.scope("ten_one"), None, 100) is None
    assert await world.rows("select sealed from webhook_secrets") != before
    assert (await world.push("ten_one", seen, token, b"{}", x_github_delivery="d")).status == 200


async def test_what_cannot_be_verified_gets_no_source(world: World) -> None:
    scope = world.scope("ten_one")
    with pytest.raises(PushesNothing):
        await managing.add(scope, Wanted("tiki"))
    with pytest.raises(Invalid):
        await managing.add(scope, Wanted("github"))
    with pytest.raises(connections.ConnectionNotFound):
        await managing.add(scope, Wanted("github", connection_id="con_0", secret=Secret("x")))


async def test_TN_01_a_provider_that_the_deployment_keeps_to_itself_answers_as_one_that_never_was(world: World) -> None:
    operator, scope = vault_given.platform(world.system), world.scope("ten_one")
    await catalog.create_provider(operator, catalog_given.document("kept_back") | {"audience": "system"})
    for slug in ("kept_back", "never"):
        for secret in (None, GITHUB):
            with pytest.raises(catalog.ProviderNotFound):
                await managing.add(scope, Wanted(slug, secret=secret))
        with pytest.raises(catalog.ProviderNotFound):
            await simulating.of_provider(scope, slug, GITHUB, {})
    with pytest.raises(PushesNothing):
        await managing.add(operator, Wanted("kept_back"))


async def test_RL_05_a_tenant_has_so_many_sources_and_no_more_also_when_they_are_made_at_once(
    world: World, database: Database
) -> None:
    parts = {kind: one for kind, one in world.system.engine.parts.items() if kind is not Settings}
    few = given.world(database, world.system.clock, parts, sources=3)
    made = await asyncio.gather(*(few.source("ten_few") for _ in range(8)), return_exceptions=True)
    refused = [one for one in made if isinstance(one, TooManySources)]
    assert [(one.status, one.details) for one in refused] == [(409, {"limit": 3})] * 5
    mine = (await managing.sources(few.scope("ten_few"), Ask())).items
    assert len(mine) == 3
    assert await caps.shown(few.scope("ten_few"), "webhooks_in.sources") == (3, 3)
    await few.source("ten_another")
    await managing.remove(few.scope("ten_few"), mine[0].source.id)
    await few.source("ten_few")
    with pytest.raises(TooManySources):
        await few.source("ten_few")


async def test_a_paused_source_asks_the_platform_to_come_again(world: World) -> None:
    seen, token = await world.source()
    await managing.change(world.scope("ten_one"), seen.source.id, {"paused": True})
    assert (await world.push("ten_one", seen, token, b"{}")).status == 503
    await managing.change(world.scope("ten_one"), seen.source.id, {"paused": False})
    assert (await world.push("ten_one", seen, token, b"{}")).status == 200


async def test_a_removed_source_answers_nobody(world: World) -> None:
    seen, token = await world.source()
    with pytest.raises(SourceNotFound):
        await managing.remove(world.scope("ten_two"), seen.source.id)
    await managing.remove(world.scope("ten_one"), seen.source.id)
    assert (await world.send(token, b"{}", {})).status == 401


async def test_PR_01_without_a_commit_there_is_no_acknowledgement(world: World) -> None:
    seen, token = await world.source()
    async with world.system.tx() as tx:
        await tx.execute_sql("lock table webhook_inbox in access exclusive mode")
        waiting = asyncio.create_task(world.push("ten_one", seen, token, b"{}", x_github_delivery="d-1"))
        done, _ = await asyncio.wait({waiting}, timeout=0.15)
        assert not done
    assert (await waiting).status == 200
    assert await kept(world) == 1


async def test_PR_01_the_short_way_tells_its_outcome_after_the_commit_and_once_for_each(database: Database) -> None:
    world = given.world(database, ManualClock(), source_cache=timedelta(minutes=1))
    seen, token = await world.source()
    told: list[Outcome] = []

    def begin(body: bytes, mark: str = "") -> bool:
        made = mark or hmac.new(given.GITHUB.reveal().encode(), body, "sha256").hexdigest()
        headers = {"x-hub-signature-256": f"sha256={made}", "x-github-delivery": body.decode()}
        arrival = Arrival(
            method="POST", path=token, query=b"", headers=headers, body=body, address="203.0.113.7", request_id="req_1"
        )
        return world.intake.begin(arrival, told.append)

    assert not begin(b"1")
    assert (await world.push("ten_one", seen, token, b"0", x_github_delivery="0")).status == 200
    async with world.system.tx() as tx:
        await tx.execute_sql("lock table webhook_inbox in access exclusive mode")
        assert [begin(body) for body in (b"0", b"1", b"2", b"2")] == [True] * 4
        await asyncio.sleep(0.05)
        assert told == []
        assert begin(b"3", "0" * 64)
        assert told == [Departure(status=401, refused=True)]
    assert (await world.push("ten_one", seen, token, b"4", x_github_delivery="4")).status == 200
    assert told[1:] == [Departure(status=200)] * 4
    again = await managing.source(world.scope("ten_one"), seen.source.id)
    assert (again.received, again.repeated) == (4, 2)
    await world.intake.settle()


async def test_what_was_removed_or_ended_is_believed_in_no_process_once_that_is_told(database: Database) -> None:
    # a process that would look by itself after an hour only
    world = given.world(database, source_cache=timedelta(hours=1))
    scope, (seen, token) = world.scope("ten_one"), await world.source()
    other, kept = await world.source()
    known = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}

    async def send(body: bytes = b"Hello, World!") -> int:
        return (await world.send(token, body, known)).status

    heard, stop = asyncio.Event(), asyncio.Event()
    with world.system.engine.bus.told(finding.CHANGED, lambda _: heard.set()):
        async with asyncio.TaskGroup() as group:
            group.create_task(world.system.engine.bus.run(stop, {}))
            group.create_task(world.intake.finder.follow(stop))

            async def told() -> None:
                async with asyncio.timeout(30):
                    await heard.wait()
                heard.clear()

            await told()
            assert (await send(), (await world.send(kept, b"Hello, World!", known)).status) == (200, 200)
            rotated = Fresh(secret=Secret("another secret of ours"), overlap=timedelta(0))
            await managing.rotate(scope, seen.source.id, rotated)
            await told()
            assert world.intake.finder.remembered(token) is None
            assert await send() == 401
            # of the others nothing is forgotten
            assert world.intake.finder.remembered(kept) is not None
            await managing.remove(scope, other.source.id)
            await told()
            assert (await world.send(kept, b"Hello, World!", known)).status == 401
            stop.set()
    await world.intake.settle()


async def test_TN_10_who_listens_learns_of_no_tenant_and_no_source(world: World, copied: Copy) -> None:
    """Every role hears what is told on every channel."""
    seen, _ = await world.source()
    ear, heard, told = await asyncpg.connect(copied.url), list[str](), asyncio.Event()

    def hear(*said: object) -> None:
        heard.append(str(said[3]))
        told.set()

    for channel in ("isthmus_told", "isthmus_events", "isthmus_queue"):
        await ear.add_listener(channel, hear)
    await managing.change(world.scope("ten_one"), seen.source.id, {"paused": True})
    async with asyncio.timeout(30):
        while not any(finding.CHANGED in one for one in heard):
            told.clear()
            await told.wait()
    await ear.close()
    assert [one for one in heard if "ten_one" in one or seen.source.id in one] == []


async def test_what_is_read_while_it_is_changed_is_not_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = given.world(database, source_cache=timedelta(hours=1))
    _, token = await world.source()
    finder, live = world.intake.finder, finding.live

    async def changed_meanwhile(scope: Scope, source_id: str) -> LiveSource | None:
        read = await live(scope, source_id)
        finder._forget(finding.named("ten_one", source_id))
        return read

    monkeypatch.setattr(finding, "live", changed_meanwhile)
    assert await finder.by_token(token) is not None
    assert finder.remembered(token) is None
    monkeypatch.undo()
    assert await finder.by_token(token) is not None
    assert finder.remembered(token) is not None


async def asked(world: World, token: str, shown: str) -> int:
    """What Meta is answered when it proves the address with this token."""
    query = f"hub.mode=subscribe&hub.verify_token={shown}&hub.challenge=1158201444"
    return (await world.send(token, b"", {}, "GET", query)).status


async def test_a_verify_token_is_given_beside_the_secret_and_neither_does_the_work_of_the_other(
    database: Database,
) -> None:
    clock = ManualClock()
    world = given.world(database, clock)
    app, verify = Secret("the app secret"), Secret("verify-me")
    seen, token = await world.source(provider="meta_webhooks", secret=app, verify_token=verify)
    scope, path = world.scope("ten_one"), seen.source.id
    assert sorted(one["purpose"] for one in seen.secrets) == ["signature", "verify_token"]
    assert [await asked(world, token, shown) for shown in ("verify-me", "wrong")] == [200, 401]

    async def signed(secret: Secret, body: bytes) -> int:
        mark = hmac.digest(secret.reveal().encode(), body, "sha256").hex()
        return (await world.send(token, body, {"X-Hub-Signature-256": f"sha256={mark}"})).status

    assert (await signed(app, b'{"object":"page"}'), await signed(verify, b'{"object":"user"}')) == (200, 401)
    # a new app secret leaves the token as it is, however long ago it was given
    fresh = Secret("another app secret")
    await managing.rotate(scope, path, Fresh(secret=fresh, overlap=timedelta(0)))
    clock.advance(3 * 86_400)
    assert await asked(world, token, "verify-me") == 200
    assert (await signed(fresh, b'{"object":"a"}'), await signed(app, b'{"object":"b"}')) == (200, 401)
    await managing.rotate(scope, path, Fresh(verify_token=Secret("new"), overlap=timedelta(0)))
    assert [await asked(world, token, shown) for shown in ("new", "verify-me")] == [200, 401]
    assert await signed(fresh, b'{"object":"c"}') == 200
    with pytest.raises(Invalid, match="no such token"):
        await world.source(verify_token=verify)
    with pytest.raises(Invalid, match="blanks"):
        await managing.rotate(scope, path, Fresh(verify_token=Secret(" ")))


SLACK = Secret("slack-signing-secret")


async def test_WH_06_challenges_are_answered_and_leave_no_row(world: World) -> None:
    slack, token = await world.source(provider="slack", secret=SLACK)
    asked = {"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}
    answer = await world.push("ten_one", slack, token, json.dumps(asked).encode())
    assert (answer.status, answer.body.decode()) == (200, asked["challenge"])
    assert answer.content_type.startswith("text/plain")
    evil = {"type": "url_verification", "challenge": "<script>alert(1)</script>"}
    assert (await world.push("ten_one", slack, token, json.dumps(evil).encode())).status == 401
    assert (await world.send(token, json.dumps(asked).encode(), {})).status == 401
    _, meta = await world.source(provider="meta_webhooks", secret=Secret("verify-me"))
    for query, status, body in (
        ("hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=1158201444", 200, b"1158201444"),
        ("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1158201444", 401, b""),
        ("hub.mode=subscribe&hub.challenge=1158201444", 401, b""),
        ("hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=%3Cscript%3E", 401, b""),
    ):
        answer = await world.send(meta, b"", {}, "GET", query)
        assert (answer.status, answer.body) == (status, body)
    _, crc = await world.source(provider="x_webhooks", secret=Secret("consumer"))
    answer = await world.send(crc, b"", {}, "GET", "crc_token=foo")
    assert json.loads(answer.body) == {"response_token": "sha256=" + _mac(b"consumer", b"foo")}
    assert await kept(world) == 0


async def test_WH_06_an_application_is_pinged_before_its_address_is_saved(world: World) -> None:
    private = SigningKey(bytes(32))
    public = Secret(private.verify_key.encode().hex())
    _, token = await world.source(provider="discord", secret=public)
    for body, status, answered in ((b'{"type":1}', 200, {"type": 1}), (b'{"type":2}', 401, None)):
        stamp = str(int(world.system.now.timestamp()))
        mark = private.sign(stamp.encode() + b'{"type":1}').signature.hex()
        headers = {"x-signature-ed25519": mark, "x-signature-timestamp": stamp, "content-type": "application/json"}
        answer = await world.send(token, body, headers)
        assert (answer.status, json.loads(answer.body) if answered else None) == (status, answered)
        assert not answered or answer.content_type == "application/json"
    assert await kept(world) == 0


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode()


async def test_a_shops_unsigned_ping_is_answered_and_nothing_else_unsigned_is(world: World) -> None:
    _, token = await world.source(provider="woocommerce", secret=Secret("wc_secret"))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await world.send(token, b"webhook_id=17", form)).status == 200
    for body in (b"webhook_id=17&x=1", b"webhook_id=", b"id=1", b""):
        assert (await world.send(token, body, form)).status == 401
    assert await kept(world) == 0


async def test_each_platform_reads_the_answer_it_wants(world: World) -> None:
    adyen, token = await world.source(provider="adyen", secret=Secret("ab" * 32))
    assert (await world.push("ten_one", adyen, token, b"{}")).body == b"[accepted]"
    push, token = await world.source(provider="shopee", secret=Secret("partner-key"))
    assert (await world.send(token, b"", {})).status == 200
    answer = await world.push("ten_one", push, token, b'{"code":3,"shop_id":1,"timestamp":1}')
    assert (answer.status, answer.body, answer.content_type) == (200, b"", "")


async def test_WH_13_a_simulated_delivery_is_marked_and_goes_through_the_same_intake(world: World) -> None:
    seen, _ = await world.source()
    taken = await simulating.simulate(world.scope("ten_one"), seen.source.id, Wish())
    assert taken.verdict is not None
    assert (taken.verdict.accepted, taken.reply.status) == (True, 200)
    assert taken.id is not None
    whole = await looking.delivery(world.scope("ten_one"), taken.id)
    assert whole.delivery.simulated
    with pytest.raises(SourceNotFound):
        await simulating.simulate(world.scope("ten_two"), seen.source.id, Wish())


async def test_WH_13_one_may_be_simulated_again_and_again_and_takes_no_real_ones_place(world: World) -> None:
    seen, token = await world.source()
    wish = Wish(headers={"x-github-delivery": "the-same"})
    taken = [await simulating.simulate(world.scope("ten_one"), seen.source.id, wish) for _ in range(2)]
    assert [one.repeated for one in taken] == [False, False]
    assert (await world.push("ten_one", seen, token, b"{}", x_github_delivery="the-same")).status == 200
    rows = await world.rows("select source_id, simulated from webhook_inbox order by id")
    assert [row["simulated"] for row in rows if row["source_id"] == seen.source.id] == [True, True, False]
