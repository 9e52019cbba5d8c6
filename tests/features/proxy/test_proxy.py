"""A caller's own calls to a platform, through its connection."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.given import caps, passing
from tests.given import vault as given_vault
from tests.given.crowds import Body, Crowd
from tests.given.passing import World, told

from isthmus.engine.db import Database
from isthmus.features import connections, proxy
from isthmus.features.connections.service import hosts
from isthmus.http import Credentials, Server, Verified
from isthmus.kit.permissions import Principal

pytestmark = pytest.mark.filterwarnings("error")
LIMITED = Principal("key", "key_1", "isthmus", "ten_a", permissions=frozenset({"proxy:fetch:/orders/*"}))


class _Keys:
    """Knows one key, which may fetch some paths only."""

    async def verify(self, credentials: Credentials) -> Verified | None:
        return Verified(LIMITED, 2e12) if credentials.text == "isk_limited" else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(database: Database) -> AsyncIterator[World]:
    settings = proxy.Settings(reply_bytes=100_000, deadline=timedelta(seconds=5))
    async with passing.world(database, authenticators=[_Keys()], proxy=settings) as world:
        yield world


@pytest_asyncio.fixture
async def world(made: World) -> AsyncIterator[World]:
    yield made
    await made.clear()


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def _open(world: World, account: str = "shop", **facts: Any) -> str:
    _, connection = await world.connect("ten_a", account, proxyEnabled=True, **facts)
    world.far.seen.clear()
    return f"/api/proxy/{connection}"


async def test_a_call_goes_to_the_connections_host_with_its_credentials_and_nobody_elses(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers |= {"cookie": "a=1", "x-forwarded-for": "1.2.3.4", "x-custom": "yes", "accept": "text/x-mine"}
    answer = await side("GET", f"{base}/v1/or%20ders?page=2&x=a%2Fb")
    assert answer.status_code == 200
    seen = told(answer)
    assert (seen["method"], seen["path"]) == ("GET", "/v1/or%20ders?page=2&x=a%2Fb")
    assert seen["headers"]["authorization"] == "Bearer canary-key-shop"
    assert (seen["headers"]["x-custom"], seen["headers"]["accept"]) == ("yes", "text/x-mine")
    assert not {"cookie", "x-forwarded-for", "x-request-id"} & seen["headers"].keys()
    assert seen["headers"]["host"] == world.far.url.removeprefix("http://")


async def test_what_comes_back_is_the_platforms_answer_without_its_baggage(world: World) -> None:
    base = await _open(world)
    heads = (await world.side("ten_a")("GET", f"{base}/x")).headers
    assert (heads["isthmus-answered-by"], heads["x-total"], heads["link"]) == ("platform", "7", "</next>; rel=next")
    gone = {"set-cookie", "x-hop", "access-control-allow-origin", "strict-transport-security", "x-page-token"}
    assert not gone & {name.lower() for name in heads}
    assert heads["cache-control"] == "no-store"
    assert heads["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_bodies_of_every_method_arrive_as_they_were_sent(world: World, method: str) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers["content-type"] = "text/plain; charset=utf-8"
    answer = await side.http.request(method, f"{base}/things", content=b"raw \xff bytes", headers=side.headers)
    seen = told(answer)
    assert (seen["method"], seen["body"]) == (method, "raw ÿ bytes")
    assert seen["headers"]["content-type"] == "text/plain; charset=utf-8"


async def test_a_large_body_and_a_large_answer_go_through_piece_by_piece_up_to_the_cap(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    sent = b"y" * 1_500_000
    answer = await side.http.post(f"{base}/things", content=sent, headers=side.headers)
    assert answer.status_code == 502  # its echo is larger than what is passed on
    assert len(world.far.seen[-1]["body"]) == len(sent)
    whole = await side("GET", f"{base}/large?bytes=99000")
    assert len(whole.content) == 99_000
    assert _code(await side("GET", f"{base}/large?bytes=100001")) == (502, "FAR_SIDE_UNREACHABLE")


def _pieces(pieces: int, size: int = 1_048_576) -> AsyncIterator[bytes]:
    async def sent() -> AsyncIterator[bytes]:
        for _ in range(pieces):
            yield b"y" * size

    return sent()


async def test_a_body_goes_on_with_the_length_that_it_was_announced_with_else_in_chunks(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    for size in (500_000, 1_500_000):  # read whole first, and passed on as it comes
        assert (await side.http.post(f"{base}/sink", content=b"y" * size, headers=side.headers)).status_code == 200
        seen = world.far.seen[-1]
        assert (seen["body"], seen["headers"]["content-length"]) == (str(size), str(size))
        assert "transfer-encoding" not in seen["headers"]
    assert (await side.http.post(f"{base}/sink", content=_pieces(2), headers=side.headers)).status_code == 200
    seen = world.far.seen[-1]
    assert (seen["body"], seen["headers"]["transfer-encoding"]) == (str(2 * 1_048_576), "chunked")


async def test_RL_09_bodies_on_their_way_to_a_platform_are_held_by_the_piece(world: World) -> None:
    """Fifty callers send 8 MiB each and stand before the end; the process holds a fraction of the 400 MiB."""
    base = await _open(world)
    headers = [f"{name}: {value}" for name, value in world.side("ten_a").headers.items()]
    async with Server(world.app).running() as server:
        crowd = Crowd([Body(server.url, f"{base}/sink", 8 * 1024 * 1024, headers) for _ in range(50)])
        held, statuses = await crowd.grown(lambda: asyncio.sleep(0))
    assert statuses.count(200) >= 20, statuses
    assert set(statuses) <= {200, 503}, statuses
    assert held < 96 * 1024 * 1024


async def test_a_body_that_ends_before_its_length_never_reaches_the_platform_as_whole(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    headers = side.headers | {"content-length": "3000000"}
    answer = await side.http.post(f"{base}/sink", content=_pieces(2), headers=headers)
    assert answer.status_code == 400
    assert (await side("GET", f"{base}/x")).status_code == 200
    assert [one["method"] for one in world.far.seen] == ["GET"]


async def test_a_body_over_the_cap_is_refused_as_too_large_however_it_comes(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    told = side.headers | {"content-length": str(33 * 1_048_576)}
    for content, headers in ((_pieces(33), side.headers), (_pieces(1), told)):
        answer = await side.http.post(f"{base}/sink", content=content, headers=headers)
        assert _code(answer) == (413, "PAYLOAD_TOO_LARGE")
    assert world.far.seen == []


async def test_a_packed_body_goes_on_as_it_is_and_one_with_a_get_is_refused(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    headers = side.headers | {"content-encoding": "gzip"}
    await side.http.post(f"{base}/sink", content=gzip.compress(b"packed"), headers=headers)
    seen = world.far.seen[-1]
    assert (seen["headers"]["content-encoding"], seen["body"]) == ("gzip", "6")
    for method in ("GET", "HEAD"):
        answer = await side.http.request(method, f"{base}/x", content=b"GET /admin HTTP/1.1", headers=side.headers)
        assert answer.status_code == 400
    assert len(world.far.seen) == 1


async def test_a_packed_answer_is_unpacked_and_one_packed_as_nobody_asked_is_told_as_a_failure(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    whole = await side("GET", f"{base}/packed?as=gzip")
    assert (whole.content, whole.headers["etag"]) == (b"unpacked", '"e"')
    assert not {"content-encoding", "content-length", "content-md5"} & {name.lower() for name in whole.headers}
    assert _code(await side("GET", f"{base}/packed?as=br")) == (502, "FAR_SIDE_UNREACHABLE")


async def test_a_part_is_asked_for_unpacked_and_comes_back_as_a_part(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers["range"] = "bytes=0-1"
    part = await side("GET", f"{base}/part")
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"ab", "bytes 0-1/9")
    assert part.headers["x-asked"] == "identity"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_SS_06_a_redirect_is_not_followed_and_leads_back_through_the_proxy(world: World, method: str) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    for code in (300, 301, 302, 303, 307, 308):
        answer = await side(method, f"{base}/led?code={code}&to=/customers/7")
        assert (answer.status_code, answer.headers["location"]) == (code, f"{base}/customers/7")
        assert answer.headers["isthmus-answered-by"] == "platform"
    away = await side(method, f"{base}/led?code=302&to=http://127.0.0.2/x")
    assert (away.status_code, away.headers["isthmus-location"]) == (302, "http://127.0.0.2/x")
    assert "location" not in away.headers
    assert len(world.far.seen) == 7


async def test_a_redirect_leads_a_key_nowhere_that_it_is_not_for(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers = {"x-api-key": "isk_limited"}
    answer = await world.side("ten_a")("GET", f"{base}/led?code=302&to=/customers/7")
    assert _code(await side("GET", answer.headers["location"])) == (403, "PROXY_PATH_FORBIDDEN")


async def test_letters_of_any_language_in_headers_stay_the_same_bytes_both_ways(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    raw = {name.encode(): value.encode() for name, value in side.headers.items()}
    answer = await side.http.get(f"{base}/x", headers=raw | {b"x-name": "Áo thun ạ".encode()})
    assert told(answer)["headers"]["x-name"] == "Áo thun ạ"


async def test_the_platforms_own_refusals_come_back_as_they_are(world: World) -> None:
    base = await _open(world)
    for status in (400, 404, 409, 422):
        answer = await world.side("ten_a")("GET", f"{base}/status?code={status}")
        assert (answer.status_code, answer.json()) == (status, {"error": "as asked"})
        assert answer.headers["isthmus-answered-by"] == "platform"


async def test_only_what_is_safe_is_sent_again(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    world.far.statuses[:] = [503]
    assert (await side("GET", f"{base}/x")).status_code == 200
    assert len(world.far.seen) == 2
    world.far.statuses[:] = [503]
    answer = await side("POST", f"{base}/x", {"n": 1})
    assert answer.status_code == 503
    assert len(world.far.seen) == 3


async def test_it_is_off_until_the_integration_says_otherwise(world: World) -> None:
    _, connection = await world.connect("ten_a", "off")
    world.far.seen.clear()
    answer = await world.side("ten_a")("GET", f"/api/proxy/{connection}/x")
    assert _code(answer) == (403, "PROXY_DISABLED")
    assert world.far.seen == []


async def test_SC_04_it_is_refused_where_types_of_records_are_walled_off(world: World) -> None:
    base = await _open(world, allowedShardTypes=["product"])
    assert _code(await world.side("ten_a")("GET", f"{base}/x")) == (403, "PROXY_WALLED")
    assert world.far.seen == []


async def test_TN_01_another_tenants_connection_is_not_there_also_while_its_owner_is_warm(world: World) -> None:
    base = await _open(world)
    assert (await world.side("ten_a")("GET", f"{base}/x")).status_code == 200
    foreign = await world.side("ten_b")("GET", f"{base}/x")
    never = await world.side("ten_b")("GET", "/api/proxy/con_0000000000000000000000000/x")
    assert _code(foreign) == _code(never) == (404, "CONNECTION_NOT_FOUND")


async def test_a_role_without_the_permission_is_refused(world: World) -> None:
    base = await _open(world)
    clerk = world.side("ten_a", "clerk", "user")
    assert _code(await clerk("GET", f"{base}/x")) == (403, "PERMISSION_DENIED")
    assert _code(await clerk("POST", f"{base}/x", {})) == (403, "PERMISSION_DENIED")


async def test_a_key_reaches_the_paths_and_methods_that_it_is_for(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers = {"x-api-key": "isk_limited"}
    assert (await side("GET", f"{base}/orders/7")).status_code == 200
    assert _code(await side("GET", f"{base}/customers/7")) == (403, "PROXY_PATH_FORBIDDEN")
    assert _code(await side("GET", f"{base}/orders")) == (403, "PROXY_PATH_FORBIDDEN")
    assert _code(await side("POST", f"{base}/orders/7", {})) == (403, "PERMISSION_DENIED")
    assert "x-api-key" not in world.far.seen[-1]["headers"]


@pytest.mark.parametrize(
    "path",
    ["/a/../b", "/%2e%2e/b", "/.%2e/b", "//other.example/b", "/a%2fb", "/a%5cb", "/a;b", "/%252e%252e/b", "/a%00"],
)
async def test_SS_04_a_path_with_two_meanings_reaches_nobody(world: World, path: str) -> None:
    base = await _open(world)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "query_string": b"",
        "path": f"{base}/x",
        "raw_path": (base + path).encode(),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"authorization", world.side("ten_a").headers["authorization"].encode())],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    await world.app(scope, receive, send)
    assert sent[0]["status"] in {400, 404}
    assert world.far.seen == []


async def test_a_right_to_read_deletes_nothing_by_another_name_and_a_key_stays_on_its_paths(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers = {"x-api-key": "isk_limited"}
    for query in ("_method=DELETE", "rest_route=/customers/7"):
        assert _code(await side("GET", f"{base}/orders/7?{query}")) == (400, "PROXY_PATH_UNCLEAR")
    assert world.far.seen == []
    admin = world.side("ten_a")
    assert _code(await admin("GET", f"{base}/x?_method=DELETE")) == (400, "PROXY_PATH_UNCLEAR")
    assert (await admin("POST", f"{base}/x?_method=PUT", {})).status_code == 200
    assert (await admin("GET", f"{base}/x?rest_route=/y")).status_code == 200
    admin.headers |= {"x-http-method-override": "DELETE"}
    told(await admin("GET", f"{base}/x"))
    assert "x-http-method-override" not in world.far.seen[-1]["headers"]


async def test_a_query_that_holds_an_address_stays_a_query(world: World) -> None:
    base = await _open(world)
    seen = told(await world.side("ten_a")("GET", f"{base}/x?u=http://other.example/"))
    assert seen["path"].startswith("/x?u=http%3A")
    assert seen["headers"]["host"] == world.far.url.removeprefix("http://")


async def test_a_revocation_counts_in_every_process_within_the_stated_seconds(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    assert (await side("GET", f"{base}/x")).status_code == 200
    async with world.system.tx() as tx:  # as another process would do it
        await tx.execute_sql("update integrations set proxy_enabled = false")
    lines = world.system.engine.part(proxy.Lines)
    for line in lines._lines.values():
        line.seen -= 3.0
    assert _code(await side("GET", f"{base}/x")) == (403, "PROXY_DISABLED")
    assert lines._lines == {}


async def test_a_revocation_counts_half_a_second_after_the_log_told_of_it(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    lines = world.system.engine.part(proxy.Lines)
    for _ in range(2):
        assert (await side("GET", f"{base}/x")).status_code == 200
    async with world.system.tx() as tx:
        await tx.execute_sql("update integrations set proxy_enabled = false")
    for line in lines._lines.values():
        line.seen -= 0.5
    assert (await side("GET", f"{base}/x")).status_code == 200
    world.system.engine.bus._ring()  # as the notification of an event does in every process
    assert _code(await side("GET", f"{base}/x")) == (403, "PROXY_DISABLED")


async def test_a_disconnected_connection_is_gone_and_its_client_too(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    assert (await side("GET", f"{base}/x")).status_code == 200
    await connections.disconnect(world.scope("ten_a"), base.rpartition("/")[2])
    for line in world.system.engine.part(proxy.Lines)._lines.values():
        line.seen -= 3.0
    assert _code(await side("GET", f"{base}/x")) == (404, "CONNECTION_NOT_FOUND")


async def test_warm_calls_cost_the_database_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    assert (await side("GET", f"{base}/x")).status_code == 200

    def opened(*_: object) -> Any:
        raise AssertionError("a statement was made")

    monkeypatch.setattr(Database, "tenant", opened)
    for _ in range(5):
        assert (await side("GET", f"{base}/x")).status_code == 200


async def test_a_hundred_calls_at_once_look_at_their_connection_once(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    answers = await asyncio.gather(*(side("GET", f"{base}/{n}") for n in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(world.system.engine.part(proxy.Lines)._lines) == 1


async def test_SS_09_a_far_side_that_is_away_is_told_in_one_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    world.far.statuses[:] = [502] * 10
    answer = await side("POST", f"{base}/x", {})
    assert answer.status_code == 502
    assert answer.headers["isthmus-answered-by"] == "platform"


async def test_an_idempotency_key_belongs_to_the_platform(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers["idempotency-key"] = "mine"
    for _ in range(2):
        answer = await side("POST", f"{base}/x", {"n": 1})
        assert "idempotency-replayed" not in answer.headers
    assert [one["headers"]["idempotency-key"] for one in world.far.seen] == ["mine", "mine"]


async def test_conditional_and_head_calls_come_back_without_a_body(world: World) -> None:
    base = await _open(world)
    side = world.side("ten_a")
    side.headers["if-none-match"] = '"v1"'
    unchanged = await side("GET", f"{base}/x")
    assert (unchanged.status_code, unchanged.headers["etag"], unchanged.content) == (304, '"v1"', b"")
    del side.headers["if-none-match"]
    head = await side("HEAD", f"{base}/large?bytes=5000")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "5000", b"")
    assert world.far.seen[-1]["method"] == "HEAD"


async def test_a_far_side_that_never_answers_ends_with_the_deadline(world: World) -> None:
    base = await _open(world)
    settings = world.system.engine.part(proxy.Settings)
    object.__setattr__(settings, "deadline", timedelta(milliseconds=150))
    try:
        assert _code(await world.side("ten_a")("POST", f"{base}/hang", {})) == (504, "FAR_SIDE_LATE")
    finally:
        object.__setattr__(settings, "deadline", timedelta(seconds=5))


async def test_RL_05_a_tenant_has_so_many_calls_under_way_and_the_next_is_refused_for_it_alone(world: World) -> None:
    base = await _open(world)
    _, others = await world.connect("ten_b", "other", proxyEnabled=True)
    world.far.seen.clear()
    settings, mine = world.system.engine.part(proxy.Settings), world.side("ten_a")
    object.__setattr__(settings, "at_once", 2)
    try:
        hanging = [asyncio.create_task(mine("GET", f"{base}/hang")) for _ in range(2)]
        async with asyncio.timeout(10):
            while True:
                if len(world.far.seen) == 2:
                    break
                await asyncio.sleep(0.01)
        refused = await mine("GET", f"{base}/x")
        assert _code(refused) == (429, "TOO_MANY_PROXY_CALLS")
        assert await caps.shown(given_vault.scope(world.system, "ten_a"), "proxy.at_once") == (2, 2)
        assert refused.json()["error"]["details"] == {"limit": 2}
        assert refused.headers["retry-after"] == "1"
        assert (await world.side("ten_b")("GET", f"/api/proxy/{others}/x")).status_code == 200
        hanging[0].cancel()
        await asyncio.wait(hanging[:1])
        assert (await mine("GET", f"{base}/x")).status_code == 200
        world.far.released.set()
        assert (await hanging[1]).status_code == 200
    finally:
        object.__setattr__(settings, "at_once", 64)
        world.far.released.clear()


async def test_RL_05_a_tenant_has_so_many_connections_to_a_host_and_the_next_call_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "_PATIENCE", 0.05)
    base, mine = await _open(world), world.side("ten_a")
    _, others = await world.connect("ten_b", "other", proxyEnabled=True)
    world.far.seen.clear()
    bound = world.system.engine.part(connections.Clients).hosts
    before, bound._most = bound._most, 2
    try:
        hanging = [asyncio.create_task(mine("GET", f"{base}/hang")) for _ in range(2)]
        async with asyncio.timeout(10):
            while True:
                if len(world.far.seen) == 2:
                    break
                await asyncio.sleep(0.01)
        refused = await mine("GET", f"{base}/x")
        assert _code(refused) == (429, "TOO_MANY_CONNECTIONS")
        assert refused.headers["retry-after"] == "1"
        assert len(world.far.seen) == 2
        assert (await caps.shown(given_vault.scope(world.system, "ten_a"), "connections.host_connections"))[0] == 2
        assert (await world.side("ten_b")("GET", f"/api/proxy/{others}/x")).status_code == 200
        hanging[0].cancel()
        await asyncio.wait(hanging[:1])
        assert (await mine("GET", f"{base}/x")).status_code == 200
        world.far.released.set()
        assert (await hanging[1]).status_code == 200
        assert bound.counts() == {}
    finally:
        bound._most = before
        world.far.released.clear()


async def test_a_persons_own_connection_is_not_there_for_anybody_else(world: World) -> None:
    base = await _open(world)
    async with world.system.tx() as tx:
        await tx.execute_sql("update integrations set user_scoped = true")
        await tx.execute_sql("update connections set user_id = 'usr_1', owner_id = 'user:isthmus:usr_1'")
    assert (await world.side("ten_a")("GET", f"{base}/x")).status_code == 200
    assert _code(await world.side("ten_a", "usr_2")("GET", f"{base}/x")) == (404, "CONNECTION_NOT_FOUND")


async def test_every_call_is_counted_at_its_connection_and_logged_without_its_query(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    base = await _open(world)
    connection, side = base.rpartition("/")[2], world.side("ten_a")
    caplog.clear()  # what led here
    with caplog.at_level("INFO", "isthmus.http.access"):
        assert (await side("GET", f"{base}/x?phone=0900")).status_code == 200
        assert (await side("POST", f"{base}/status?code=404", {})).status_code == 404
        await side("GET", f"{base}/packed?as=br")
    lines = [one.__dict__["access"] for one in caplog.records if "access" in one.__dict__]
    assert [(one["connection"], one["method"], one["farPath"], one["status"]) for one in lines] == [
        (connection, "GET", "/x", 200), (connection, "POST", "/status", 404), (connection, "GET", "/packed", 502),
    ]  # fmt: skip
    assert "0900" not in str(lines)
    await world.system.engine.part(connections.Clients).recorder.flush()
    (hour,) = (await side("GET", f"/api/connections/{connection}/metrics")).json()["items"]
    assert hour["calls"] >= 3
    logged = (await side("GET", f"/api/connections/{connection}/logs")).json()["items"]
    assert {(one["method"], one["route"], one["status"]) for one in logged} >= {("POST", "proxy", 404)}


async def test_nothing_of_the_connections_credentials_comes_back(world: World) -> None:
    base = await _open(world)
    refused = await world.side("ten_a")("GET", f"{base}/status?code=401")
    assert "canary-key" not in refused.text + str(refused.headers)
