"""Who gets in: one kind of credentials, remembered for seconds only, and the same refusal for every fault (JT-10)."""

import gc
from typing import Any

import psutil
import pytest
from tests.http.conftest import MakeLab

from isthmus.http import Credentials, Routes, Verified, document
from isthmus.http.auth import Doorkeeper, shown_credentials
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.permissions import USER, Principal, permission

READ = permission("auth:read", "read", USER)
KNOWN = Principal("user", "usr_1", "isthmus", "ten_a", frozenset({USER}))


class Keys:
    """Knows one API key until it is revoked, and counts how often it is asked."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked = 0
        self.principal: Principal | None = KNOWN
        self.seconds = 3600.0

    async def verify(self, credentials: Credentials) -> Verified | None:
        self.asked += 1
        if credentials.kind != "key":
            return None
        if self.principal is None:
            raise Unauthenticated
        return Verified(self.principal, self.clock.now().timestamp() + self.seconds)


def routes() -> Routes:
    made = Routes(prefix="/api", tag="Auth")

    @made.get("/me", permission=READ, limit="other", response_model=None, summary="Me")
    async def me() -> Any:
        return document({})

    return made


async def test_good_credentials_are_remembered_for_seconds_and_never_past_their_end() -> None:
    clock = ManualClock()
    keys = Keys(clock)
    door = Doorkeeper([keys], clock)
    shown = Credentials("key", "isk_live_one")
    assert door.remembered(shown) is None
    assert await door.verify(shown) == KNOWN
    assert door.remembered(shown) == KNOWN
    assert door.remembered(Credentials("bearer", "isk_live_one")) is None
    clock.advance(4.1)
    assert door.remembered(shown) is None
    keys.seconds = 1.0
    await door.verify(shown)
    clock.step(2)
    assert door.remembered(shown) is None


async def test_JT_10_what_is_revoked_is_out_within_five_seconds(lab: MakeLab) -> None:
    clock = ManualClock()
    keys = Keys(clock)
    here = lab(routes(), authenticators=[keys])
    headers = {"x-api-key": "isk_live_one"}
    for _ in range(3):
        assert (await here.call("GET", "/api/me", headers=headers)).status_code == 200
    assert keys.asked == 1
    keys.principal = None
    here.clock.advance(5)
    assert (await here.call("GET", "/api/me", headers=headers)).status_code == 401


async def test_JT_10_memory_is_bounded_whatever_the_number_of_credentials() -> None:
    clock = ManualClock()
    door = Doorkeeper([Keys(clock)], clock, capacity=100)
    for number in range(1000):
        await door.verify(Credentials("key", f"isk_live_{number}"))
    assert len(door._known) == 100


@pytest.mark.proof
async def test_JT_10_a_million_distinct_tokens_leave_the_memory_flat() -> None:
    clock = ManualClock()
    door = Doorkeeper([Keys(clock)], clock)
    process = psutil.Process()

    async def show(first: int, last: int) -> int:
        for number in range(first, last):
            await door.verify(Credentials("key", f"isk_live_{number:038}"))
        gc.collect()
        return int(process.memory_info().rss)

    full = await show(0, 20_000)
    assert await show(20_000, 1_000_000) - full < 4 * 1024 * 1024
    assert len(door._known) == 10_000


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Basic dXNlcjpwYXNz"},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Bearer \xff"},
        {b"authorization": b"Bearer " + b"x" * 9000},
        {b"authorization": b"Bearer a.b.c", b"x-api-key": b"isk_live_a"},
        {b"x-api-key": b""},
    ],
)
def test_credentials_are_one_kind_of_readable_size(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(Unauthenticated):
        shown_credentials(headers)


def test_credentials_do_not_show_in_a_repr() -> None:
    assert "s3cr3t" not in repr(shown_credentials({b"authorization": b"bearer s3cr3t"}))


async def test_every_fault_is_answered_alike(lab: MakeLab) -> None:
    here = lab(routes())
    good = here.token()
    wrong = [{}, {"authorization": f"Bearer {good[:-4]}AAAA"}, {"authorization": "Bearer x"}, {"x-api-key": "isk_x"}]
    answers = [await here.call("GET", "/api/me", headers=headers) for headers in wrong]
    assert {answer.json()["error"]["message"] for answer in answers} == {Unauthenticated().message}
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    both = await here.call("GET", "/api/me", headers={"authorization": f"Bearer {good}", "x-api-key": "isk_x"})
    assert (both.status_code, "not both" in both.json()["error"]["message"]) == (401, True)
    doubled = await here.call("GET", "/api/me", headers=[("authorization", f"Bearer {good}")] * 2)
    assert doubled.status_code == 400
