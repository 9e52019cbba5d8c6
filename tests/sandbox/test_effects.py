"""The ledger of what writes have changed."""

from starlette.requests import Request
from tests.given.marketplaces import fetch

from isthmus.kit.clock import ManualClock
from isthmus.sandbox import Call, Effects, SandboxServer, ShiftedClock
from isthmus.sandbox.recording import Record


def call(number: int = 1, seller: str = "77") -> Call:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/stock",
        "headers": [],
        "query_string": b"",
        "server": ("127.0.0.1", 80),
    }
    return Call(Request(scope), b"", Record(number, "", "POST", "/stock", seller=seller))


def test_effects_are_found_by_what_they_changed() -> None:
    effects = Effects(ShiftedClock(ManualClock()))
    effects.add(call(), "5", "stock", 3, before=9, place="A")
    mark = effects.last
    effects.add(call(2), "5", "stock", 4, before=3, place="B", key="k")
    effects.add(call(3, "78"), "6", "title", "New", before="Old")
    assert effects.values("5", "stock") == [3, 4]
    assert effects.values("5", "stock", place="B") == [4]
    assert [one.object for one in effects.of(seller="78")] == ["6"]
    found = effects.of("5", after=mark)
    assert [(one.number, one.request, one.route, one.seller, one.key) for one in found] == [
        (2, 2, "POST /stock", "77", "k")
    ]
    assert len(effects) == 3


def test_a_write_of_what_is_there_already_is_a_repeat() -> None:
    effects = Effects(ShiftedClock(ManualClock()))
    effects.add(call(), "5", "stock", 3, before=9)
    assert effects.repeated() == []
    effects.add(call(2), "5", "stock", 3, before=3)
    assert [one.request for one in effects.repeated()] == [2]
    effects.clear()
    assert not effects.of()
    assert effects.add(call(), "5", "stock", 1).number == 3


async def test_a_campaign_holds_variants_until_it_lets_them_go() -> None:
    async with SandboxServer(["tiki"], products=3, clock=ManualClock()) as server:
        shop = server.shops["tiki"]
        address = f"{shop.base_url}/_sandbox/locks"
        await fetch("PUT", f"{address}/5")
        assert (await fetch("PUT", f"{address}/6")).json == {"locked": ["5", "6"]}
        assert (await fetch("DELETE", f"{address}/5")).json == {"locked": ["6"]}
        assert shop.locked == {"6"}
        assert (await fetch("DELETE", address)).json == (await fetch("GET", address)).json == {"locked": []}


async def test_effects_are_shown_to_other_programs_and_forgotten_by_a_reset() -> None:
    async with SandboxServer(["tiki"], products=3, clock=ManualClock()) as server:
        shop = server.shops["tiki"]
        shop.effects.add(call(), "5", "stock", 3, before=3, place="A")
        shop.effects.add(call(), "6", "title", "New")
        shown = (await fetch("GET", f"{shop.base_url}/_sandbox/effects?object=5")).json["effects"]
        assert [(one["value"], one["changed"], one["place"]) for one in shown] == [(3, False, "A")]
        assert len((await fetch("GET", f"{shop.base_url}/_sandbox/effects?after=1")).json["effects"]) == 1
        assert (await fetch("DELETE", f"{shop.base_url}/_sandbox/effects")).json == {"effects": []}
        shop.effects.add(call(), "6", "title", "New")
        shop.reset()
        assert len(shop.effects) == 0
