"""Limits: never more than the limit in any minute, by principal, tenant and address (security.md RL-01, RL-02)."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import MakeLab

from isthmus.http import PUBLIC, HttpSettings, Routes, document
from isthmus.http.auth import Credentials, Verified
from isthmus.http.errors import CannotStart
from isthmus.http.limits import Limiter, Refused
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import USER, Principal, permission

USE = permission("limits:use", "use it", USER)


def routes() -> Routes:
    made = Routes(prefix="/api", tag="Limits")

    @made.get("/search", permission=USE, limit="search", response_model=None, summary="Search")
    async def search() -> Any:
        return document({})

    @made.get("/callback", permission=PUBLIC, limit="callback", response_model=None, summary="Back", open_query=True)
    async def callback() -> Any:
        return document({})

    return made


async def test_the_31st_search_of_a_minute_is_refused_and_says_when_to_come_back(lab: MakeLab) -> None:
    here = lab(routes())
    me = here.signed()
    for number in range(30):
        answer = await here.call("GET", "/api/search", headers=me)
        assert answer.status_code == 200
        assert answer.headers["x-ratelimit-remaining"] == str(29 - number)
    refused = await here.call("GET", "/api/search", headers=me)
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert error["retryAfter"] == int(refused.headers["retry-after"]) == 61
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-reset"]) == int(here.clock.now().timestamp()) + 61
    here.clock.advance(61)
    assert (await here.call("GET", "/api/search", headers=me)).status_code == 200


async def test_RL_01_a_tenant_gains_nothing_by_many_principals(lab: MakeLab) -> None:
    here = lab(routes(), settings={"limits": {"search": 2}, "tenant_factor": 3})
    codes = []
    for number in range(100):
        headers = here.signed(subject=f"usr_{number}")
        codes.append((await here.call("GET", "/api/search", headers=headers)).status_code)
    assert codes == [200] * 6 + [429] * 94


async def test_RL_01_what_is_left_is_what_the_tenant_has_left_where_that_is_less(lab: MakeLab) -> None:
    here = lab(routes(), settings={"limits": {"search": 4}, "tenant_factor": 2})
    left = []
    for number in range(8):
        if number == 4:
            here.clock.advance(10)
        answer = await here.call("GET", "/api/search", headers=here.signed(subject=f"usr_{number}"))
        left.append(answer.headers["x-ratelimit-remaining"])
    assert left == ["3", "3", "3", "3", "3", "2", "1", "0"]
    # more is admitted as soon as the first of the tenant's calls is a minute old
    assert int(answer.headers["x-ratelimit-reset"]) == int(here.clock.now().timestamp()) + 51
    refused = await here.call("GET", "/api/search", headers=here.signed(subject="usr_8"))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "51")


async def test_SC_06_one_tenants_use_does_not_show_in_anothers_headers(lab: MakeLab) -> None:
    here = lab(routes(), settings={"limits": {"search": 2}})
    for _ in range(5):
        await here.call("GET", "/api/search", headers=here.signed(tenant="ten_b"))
    answer = await here.call("GET", "/api/search", headers=here.signed(tenant="ten_a"))
    assert answer.headers["x-ratelimit-remaining"] == "1"


async def test_RL_02_guessing_credentials_is_limited_by_address_and_spares_the_known(lab: MakeLab) -> None:
    here = lab(routes(), settings={"failures_per_minute": 5})
    me = here.signed()
    assert (await here.call("GET", "/api/search", headers=me)).status_code == 200
    bad = [
        (await here.call("GET", "/api/search", headers={"authorization": f"Bearer x.y.{n}"})).status_code
        for n in range(8)
    ]
    assert bad == [401] * 5 + [429] * 3
    for _ in range(3):
        assert (await here.call("GET", "/api/search", headers=me)).status_code == 200
        here.clock.advance(5)
    elsewhere = await here.call("GET", "/api/search", headers=here.signed(subject="other"), peer="203.0.113.10")
    assert elsewhere.status_code == 200


class _Keys:
    """Knows whoever shows one of two keys, which begin alike."""

    async def verify(self, credentials: Credentials) -> Verified | None:
        if credentials.text not in {_OWN, _OTHER}:
            return None
        return Verified(Principal("key", "key_1", tenant_id="ten_a", issuer="keys", roles=frozenset({"user"})), 1e12)


_OWN, _OTHER = "isk_live_abcdefgOWN", "isk_live_abcdefgOTHER"


async def test_RL_02_guessing_the_rest_of_a_key_is_limited_however_many_addresses_guess(lab: MakeLab) -> None:
    here = lab(routes(), settings={"failures_per_minute": 2}, authenticators=[_Keys()])

    async def show(text: str, peer: int) -> int:
        answer = await here.call("GET", "/api/search", headers={"x-api-key": text}, peer=f"203.0.113.{peer}")
        return answer.status_code

    assert await show(_OWN, 200) == 200
    guessed = [await show(f"isk_live_abcdefg{number}", number // 2) for number in range(24)]
    assert guessed == [401] * 20 + [429] * 4
    assert await show(_OTHER, 201) == 429, "nobody here has met it, and it may be a guess"
    assert await show(_OWN, 200) == 200, "who was met before is not guessing"
    assert await show("isk_live_hijklmn1", 202) == 401, "other keys are not meant"
    signed = [await show(f"x.y.{number}", 100 + number) for number in range(24)]
    assert signed == [401] * 24, "tokens all begin alike"
    here.clock.advance(61)
    assert await show(_OTHER, 201) == 200


async def test_RL_11_open_routes_count_by_address_and_v6_by_network(lab: MakeLab) -> None:
    here = lab(routes(), settings={"limits": {"callback": 2}})
    peers = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff", "2001:db8:0:1::1", "::ffff:203.0.113.9", "203.0.113.9"]
    codes = [(await here.call("GET", "/api/callback?any=1", peer=peer)).status_code for peer in peers]
    assert codes == [200, 200, 429, 200, 200, 200]


@given(st.lists(st.floats(min_value=0, max_value=30, allow_nan=False), min_size=1, max_size=200))
async def test_no_minute_ever_holds_more_than_the_limit(pauses: list[float]) -> None:
    clock = ManualClock()
    limiter = Limiter(HttpSettings(limits={"search": 5}), clock)
    admitted: list[float] = []
    for pause in pauses:
        clock.advance(pause)
        with suppress(Refused):
            await limiter.admit("search", "ten_a", "me")
            admitted.append(clock.monotonic())
    for start in admitted:
        assert sum(1 for at in admitted if start <= at < start + 60) <= 5


def test_memory_is_bounded_whatever_the_number_of_callers() -> None:
    clock = ManualClock()
    limiter = Limiter(HttpSettings(), clock)
    for number in range(30_000):
        limiter.count_failure(f"address {number}")
    assert len(limiter._failures._windows) <= 4096


async def test_the_wall_clock_may_step_without_freeing_anybody() -> None:
    clock = ManualClock()
    limiter = Limiter(HttpSettings(limits={"search": 1}), clock)
    await limiter.admit("search", "ten_a", "me")
    clock.step(3600)
    with pytest.raises(Refused):
        await limiter.admit("search", "ten_a", "me")


@pytest.mark.parametrize("limits", [{"serach": 5}, {"search": 0}])
def test_a_wrong_limit_stops_the_start_and_is_named(limits: dict[str, int]) -> None:
    with pytest.raises(CannotStart, match=next(iter(limits))):
        Limiter(HttpSettings(limits=limits), ManualClock())
