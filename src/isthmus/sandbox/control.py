"""The control address `/_sandbox`: what the Python face of a sandbox does, over HTTP, for tests in other languages."""

from collections.abc import Mapping
from dataclasses import asdict

from isthmus.kit.errors import Invalid, Problem
from isthmus.sandbox.shop import Shop
from isthmus.sandbox.wire import Call, Reply, json_reply

PREFIX = "/_sandbox"


def answer(shop: Shop, call: Call) -> Reply:
    """Serve one control request; failures come back as `{"error": ...}` with their status."""
    try:
        return _route(shop, call)
    except Problem as problem:
        return json_reply({"error": problem.message, "details": problem.details}, problem.status)


def _route(shop: Shop, call: Call) -> Reply:
    part = call.path.removeprefix(PREFIX).strip("/")
    head, _, rest = part.partition("/")
    match (call.method, head):
        case ("GET", ""):
            return json_reply(shop.summary())
        case ("GET" | "DELETE", "requests"):
            return _requests(shop, call)
        case ("GET" | "DELETE", "effects") | ("GET" | "PUT" | "DELETE", "locks"):
            return _effects(shop, call) if head == "effects" else _locks(shop, call, rest)
        case ("GET" | "POST" | "DELETE", "faults"):
            return _faults(shop, call, rest)
        case ("POST" | "PATCH" | "DELETE", "products"):
            return _products(shop, call, rest)
        case ("POST" | "PATCH", "orders"):
            return _orders(shop, call, rest)
        case ("POST", "throttle" | "clock" | "reset" | "consent" | "revoke"):
            return _switch(shop, head, call.json())
        case _:
            return json_reply({"error": f"no control {call.method} {call.path}"}, 404)


def _requests(shop: Shop, call: Call) -> Reply:
    if call.method == "DELETE":
        shop.recording.clear()
    rows = [asdict(record) for record in shop.recording.requests]
    limit = call.one("limit")
    shown = rows[-int(limit) :] if limit and limit.isdecimal() and int(limit) else rows
    return json_reply({"requests": shown, "counts": dict(shop.recording.counts)})


def _effects(shop: Shop, call: Call) -> Reply:
    """What writes have changed, all of it or of one `object` or `field`, after the number `after`."""
    if call.method == "DELETE":
        shop.effects.clear()
    after = call.one("after") or ""
    found = shop.effects.of(
        call.one("object"), call.one("field"), seller=call.one("seller"), after=int(after) if after.isdecimal() else 0
    )
    return json_reply({"effects": [{**asdict(one), "changed": one.changed} for one in found]})


def _locks(shop: Shop, call: Call, variant: str) -> Reply:
    """What a campaign holds: PUT and DELETE with the id of a variant, DELETE without one for all."""
    if call.method == "PUT":
        shop.locked.add(variant)
    elif call.method == "DELETE":
        shop.locked.difference_update({variant} if variant else set(shop.locked))
    return json_reply({"locked": sorted(shop.locked)})


def _faults(shop: Shop, call: Call, rest: str) -> Reply:
    if call.method == "POST":
        wanted = call.json()
        body = wanted.get("body")
        fault = shop.faults.add(
            str(wanted.get("route", "*")),
            str(wanted.get("kind", "")),
            _number(wanted, "times"),
            after=_number(wanted, "after") or 0,
            seconds=_amount(wanted, "seconds"),
            status=_number(wanted, "status"),
            body=body if isinstance(body, Mapping) else None,
        )
        return json_reply(asdict(fault), 201)
    if call.method == "DELETE":
        shop.faults.clear(int(rest) if rest.isdecimal() else None)
    return json_reply({"faults": [asdict(fault) for fault in shop.faults.active]})


def _products(shop: Shop, call: Call, external_id: str) -> Reply:
    seller = call.one("seller")
    if call.method == "POST":
        return json_reply({"ids": shop.add_product(seller=seller)}, 201)
    if not external_id.isdecimal():
        raise Invalid.field("id", "name a listing: /_sandbox/products/ID")
    if call.method == "PATCH":
        shop.change_product(external_id, call.json(), seller=seller)
    else:
        shop.remove_product(external_id, seller=seller)
    return json_reply({"ids": [external_id]})


def _orders(shop: Shop, call: Call, key: str) -> Reply:
    seller = call.one("seller")
    if call.method == "POST":
        return json_reply({"ids": [shop.place_order(seller=seller)]}, 201)
    shop.move_order(key, str(call.json().get("state", "")), seller=seller)
    return json_reply({"ids": [key]})


def _switch(shop: Shop, name: str, wanted: Mapping[str, object]) -> Reply:
    if name == "throttle":
        rate = _amount(wanted, "per_second")
        if rate is None or rate <= 0:
            raise Invalid.field("per_second", "a number above 0")
        shop.throttle.set_rate(rate, _amount(wanted, "burst"))
    elif name == "clock":
        shop.clock.advance(_amount(wanted, "advance") or 0.0)
    elif name == "consent":
        auto = wanted.get("auto")
        shop.auto_consent = auto if isinstance(auto, str) else None
    elif name == "revoke":
        return json_reply({"revoked": shop.ledger.revoke(str(wanted.get("seller", "")))})
    else:
        shop.reset()
    return json_reply({"now": shop.clock.now().isoformat()})


def _amount(wanted: Mapping[str, object], name: str) -> float | None:
    value = wanted.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid.field(name, "a number")
    return float(value)


def _number(wanted: Mapping[str, object], name: str) -> int | None:
    value = _amount(wanted, name)
    return None if value is None else int(value)
