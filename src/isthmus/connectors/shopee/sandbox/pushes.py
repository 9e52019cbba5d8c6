"""Shopee's push configuration and lost pushes (reference 2.7): one address for the whole application."""

import json
from dataclasses import dataclass, field

from isthmus.connectors.shopee.sandbox.rules import refuse, success, verified
from isthmus.sandbox import App, Call, Reply, Shop

_PAGE = 100


@dataclass
class Lost:
    """A push that nobody took."""

    id: int
    shop_id: int
    code: int
    timestamp: int
    data: object


@dataclass
class Desk:
    """What one application has configured, and what it has missed."""

    url: str = ""
    on: set[int] = field(default_factory=set)
    suspended: bool = False
    lost: list[Lost] = field(default_factory=list)
    last: int = 0


class Desks:
    """Those of all applications, by their key."""

    def __init__(self) -> None:
        self._desks: dict[str, Desk] = {}

    def of(self, app: App) -> Desk:
        """One application's."""
        return self._desks.setdefault(app.key, Desk())

    def lose(self, app: App, shop_id: str, code: int, data: object, timestamp: int) -> None:
        """A push that nobody took."""
        desk = self.of(app)
        desk.last += 1
        desk.lost.append(Lost(desk.last, int(shop_id), code, timestamp, data))


def _desk(shop: Shop, call: Call, desks: Desks) -> Desk:
    app = verified(shop, call)
    shop.admit(call, app, "")
    return desks.of(app)


def config(shop: Shop, call: Call, desks: Desks) -> Reply:
    """/api/v2/push/get_app_push_config."""
    desk = _desk(shop, call, desks)
    shown = {
        "callback_url": desk.url,
        "live_push_status": "Suspended" if desk.suspended else "Normal",
        "push_config_on_list": sorted(desk.on),
        "blocked_shop_id_list": [],
    }
    return success(shop, shown)


def configure(shop: Shop, call: Call, desks: Desks) -> Reply:
    """/api/v2/push/set_app_push_config: what is not named stays; setting it ends a suspension."""
    desk = _desk(shop, call, desks)
    body = call.json()
    url = body.get("callback_url", desk.url)
    if not isinstance(url, str) or not url.startswith("http"):
        raise refuse(shop, "error_param", "callback_url must be an address.")
    desk.on = (desk.on | _codes(shop, body, "set_push_config_on")) - _codes(shop, body, "set_push_config_off")
    desk.url, desk.suspended = url, False
    return success(shop, {"result": "success"})


def _codes(shop: Shop, body: dict[str, object], name: str) -> set[int]:
    found = body.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, int) for one in found):
        raise refuse(shop, "error_param", f"{name} must be a list of numbers.")
    return set(found)


def lost(shop: Shop, call: Call, desks: Desks) -> Reply:
    """/api/v2/push/get_lost_push_message: the oldest hundred."""
    desk = _desk(shop, call, desks)
    page = desk.lost[:_PAGE]
    shown = {
        "push_message_list": [
            {"shop_id": one.shop_id, "code": one.code, "timestamp": one.timestamp, "data": json.dumps(one.data)}
            for one in page
        ],
        "has_next_page": len(desk.lost) > _PAGE,
        "last_message_id": page[-1].id if page else 0,
    }
    return success(shop, shown)


def confirm(shop: Shop, call: Call, desks: Desks) -> Reply:
    """/api/v2/push/confirm_consumed_lost_push_message: everything up to this one is taken."""
    desk = _desk(shop, call, desks)
    last = call.json().get("last_message_id")
    if not isinstance(last, int) or last > desk.last:
        raise refuse(shop, "error_param", "last_message_id is unknown.")
    desk.lost = [one for one in desk.lost if one.id > last]
    return success(shop, {})
