"""The cache: never another identity's reply, never staler than allowed, always marked."""

import asyncio
import marshal
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import ApiClient, Bearer, BlobCache, BreakerRule, Cache, MemoryCache, PlatformFailed, Retry
from isthmus.client.cache import rules
from isthmus.kit.clock import ManualClock

Replies = Callable[..., bytes]
ONCE = Retry(max_attempts=1)


class Drawer:
    """Blobs in a dict."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    async def get(self, name: str) -> bytes | None:
        return self.blobs.get(name)

    async def put(self, name: str, content: bytes) -> None:
        self.blobs[name] = content

    async def delete(self, name: str) -> None:
        self.blobs.pop(name, None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def client(far_side: Any, clock: ManualClock, store: Any = None, **options: Any) -> ApiClient:
    cache = Cache(store, partition=options.pop("partition", "c1"), clock=clock, **options.pop("cache", {}))
    return ApiClient(far_side.url, cache=cache, clock=clock, retry=ONCE, **options)


@pytest.mark.parametrize("store", [MemoryCache, lambda: BlobCache(Drawer())])
async def test_a_fresh_reply_is_served_without_a_call(
    far_side: Any, respond: Replies, clock: ManualClock, store: Any
) -> None:
    far_side.answer("/x", respond(body=b'{"n":1}', Cache_Control="max-age=60"), respond(body=b'{"n":2}'))
    async with client(far_side, clock, store()) as api:
        first, second = await api.get("/x"), await api.get("/x")
        assert (first.from_cache, second.from_cache) == (False, True)
        assert second.body == {"n": 1}
        assert second.attempts == 0
        assert len(far_side.seen) == 1
        clock.advance(61)
        assert (await api.get("/x")).body == {"n": 2}


async def test_TN_11_no_identity_ever_gets_another_s_reply(far_side: Any, respond: Replies, clock: ManualClock) -> None:
    async def personal(seen: Any, writer: asyncio.StreamWriter) -> None:
        who = seen.headers.get("authorization", "") + seen.headers.get("x-api-key", "") + seen.headers.get("cookie", "")
        writer.write(respond(body=f'"{who}"'.encode(), Cache_Control="public, max-age=600"))

    far_side.answer("/me", personal)
    store = MemoryCache()
    options: list[dict[str, Any]] = [
        {"auth": Bearer("a")},
        {"auth": Bearer("b")},
        {"headers": {"X-Api-Key": "c"}},
        {"headers": {"X-Api-Key": "d"}},
        {"headers": {"Cookie": "e"}},
        {"auth": Bearer("a"), "partition": "c2"},
    ]
    answers = []
    for one in options * 2:
        async with client(far_side, clock, store, **dict(one)) as api:
            answers.append((await api.get("/me")).body)
    assert answers[:6] == ["Bearer a", "Bearer b", "c", "d", "e", "Bearer a"]
    assert answers[6:] == answers[:6]
    assert len(far_side.seen) == 6


async def test_a_stale_reply_is_revalidated_by_its_etag(far_side: Any, respond: Replies, clock: ManualClock) -> None:
    far_side.answer(
        "/x",
        respond(body=b'{"n":1}', Cache_Control="max-age=10", ETag='"v1"', X_Old="1"),
        respond(304, body=b"", kind="", ETag='"v1"', Cache_Control="max-age=10", X_New="1"),
    )
    async with client(far_side, clock) as api:
        await api.get("/x")
        clock.advance(11)
        response = await api.get("/x")
        assert far_side.seen[1].headers["if-none-match"] == '"v1"'
        assert (response.status, response.body, response.from_cache, response.stale) == (200, {"n": 1}, True, False)
        assert response.headers["X-New"] == "1"
        assert (await api.get("/x")).from_cache
    assert len(far_side.seen) == 2


async def test_stale_while_revalidate_answers_at_once_and_refreshes_behind(
    far_side: Any, respond: Replies, clock: ManualClock
) -> None:
    control = "max-age=10, stale-while-revalidate=60"
    far_side.answer("/x", respond(body=b"1", Cache_Control=control), respond(body=b"2", Cache_Control=control))
    async with client(far_side, clock) as api:
        await api.get("/x")
        clock.advance(20)
        stale = await asyncio.gather(*(api.get("/x") for _ in range(5)))
        assert {(one.body, one.stale, one.from_cache) for one in stale} == {(1, True, True)}
        assert api.cache is not None
        await api.cache.aclose()
        assert (await api.get("/x")).body == 2
    assert len(far_side.seen) == 2


async def test_PR_21_a_failing_far_side_is_bridged_and_the_reply_marked(
    far_side: Any, respond: Replies, clock: ManualClock
) -> None:
    far_side.answer("/x", respond(body=b"1", Cache_Control="max-age=10"), respond(500))
    far_side.answer("/strict", respond(body=b"1", Cache_Control="max-age=10, must-revalidate"), respond(500))
    breaker = BreakerRule(consecutive=2, by_route=False)
    async with client(far_side, clock, cache={"stale_if_error": 600}, breaker=breaker) as api:
        await api.get("/x")
        await api.get("/strict")
        clock.advance(20)
        with pytest.raises(PlatformFailed):
            await api.get("/strict")
        for _ in range(3):
            response = await api.get("/x")
            assert (response.body, response.stale, response.from_cache) == (1, True, True)
        assert len(far_side.seen) == 4  # the third was answered although the breaker was open
        clock.advance(700)
        with pytest.raises(PlatformFailed):
            await api.get("/x")


async def test_what_must_not_be_stored_is_not(far_side: Any, respond: Replies, clock: ManualClock) -> None:
    for control in ("no-store", "max-age=0", "no-cache"):
        far_side.seen.clear()
        far_side.answer("/x", respond(Cache_Control=control))
        async with client(far_side, clock) as api:
            await api.get("/x")
            assert not (await api.get("/x")).from_cache
        assert len(far_side.seen) == 2
    far_side.answer("/v", respond(Cache_Control="max-age=60", Vary="*"))
    async with client(far_side, clock) as api:
        await api.get("/v")
        assert not (await api.get("/v")).from_cache


async def test_vary_parts_replies_by_the_headers_it_names(far_side: Any, respond: Replies, clock: ManualClock) -> None:
    far_side.answer("/x", respond(Cache_Control="max-age=60", Vary="Accept-Language"))
    async with client(far_side, clock) as api:
        await api.get("/x", headers={"Accept-Language": "en"})
        assert (await api.get("/x", headers={"Accept-Language": "en"})).from_cache
        assert not (await api.get("/x", headers={"Accept-Language": "vi"})).from_cache


@pytest.mark.parametrize("store", [MemoryCache, lambda: BlobCache(Drawer())])
async def test_writes_and_tags_invalidate(far_side: Any, respond: Replies, clock: ManualClock, store: Any) -> None:
    far_side.answer("/x", respond(Cache_Control="max-age=600"))
    async with client(far_side, clock, store()) as api:
        await api.get("/x", tags=["products"])
        await api.put("/x", {"a": 1})
        assert not (await api.get("/x", tags=["products"])).from_cache
        assert (await api.get("/x")).from_cache
        await api.invalidate("products")
        assert not (await api.get("/x")).from_cache


class _Harm:
    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.file, "w")

    def done(self) -> bool:
        return Path(self.file).exists()


async def test_PA_08_what_somebody_put_into_the_store_is_data_and_never_run(
    far_side: Any, respond: Replies, clock: ManualClock, tmp_path: Path
) -> None:
    far_side.answer("/x", respond(Cache_Control="max-age=600"))
    drawer, harm = Drawer(), _Harm(str(tmp_path / "made"))
    async with client(far_side, clock, BlobCache(drawer)) as api:
        for planted in (pickle.dumps(harm), marshal.dumps(["x"]), b"!!python/object/apply:os.system [ls]", b""):
            assert not (await api.get("/x")).from_cache
            (name,) = drawer.blobs
            drawer.blobs[name] = planted
    assert not harm.done()
    assert len(far_side.seen) == 4


async def test_memory_stays_under_its_bound(clock: ManualClock) -> None:
    store = MemoryCache(max_bytes=50_000)
    for number in range(200):
        made = rules.Entry(200, [], b"x" * 1000, [], [str(number)], 0, 1, 1, 1)
        await store.put(str(number), made)
    assert store.size <= 50_000
    assert len(store._tags) == len(store)
    await store.put("huge", rules.Entry(200, [], b"x" * 6000, [], [], 0, 1, 1, 1))
    assert await store.get("huge") is None


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["Cache-Control", "Expires", "Date", "Age", "Last-Modified"]), st.text()))
def test_no_header_breaks_the_rules(headers: dict[str, str]) -> None:
    said = rules.directives(headers.get("Cache-Control", ""))
    assert rules.lifetime(headers, said, None) >= 0
    assert rules.age(headers, 1e9, 0.1) >= 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "max-age=7"}, 7),
        ({"Cache-Control": "max-age=soon"}, 0),
        ({"Cache-Control": "s-maxage=9"}, 0),
        ({"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Expires": "Thu, 01 Jan 2026 00:01:00 GMT"}, 60),
        ({"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Expires": "0"}, 0),
        ({"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Last-Modified": "Wed, 31 Dec 2025 23:50:00 GMT"}, 60),
    ],
)
def test_lifetimes_follow_rfc_9111(headers: dict[str, str], seconds: float) -> None:
    said = rules.directives(headers.get("Cache-Control", ""))
    assert rules.lifetime(headers, said, None) == seconds
