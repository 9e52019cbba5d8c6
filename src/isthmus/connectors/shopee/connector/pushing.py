"""The app's push configuration and the list of pushes that were lost (marketplaces.md 2.7)."""

from collections.abc import Mapping

import msgspec

from isthmus.client import Response
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Desk, Pulled, Subscription
from isthmus.connectors.shopee.connector import signing

_GET = "/api/v2/push/get_app_push_config"
_SET = "/api/v2/push/set_app_push_config"
_LOST = "/api/v2/push/get_lost_push_message"
_CONFIRM = "/api/v2/push/confirm_consumed_lost_push_message"
_SUSPENDED = "suspended"


class _Config(msgspec.Struct):
    callback_url: Loose = None
    live_push_status: Loose = None
    push_config_on_list: list[Loose] = []


class _Message(msgspec.Struct):
    shop_id: Loose = None
    code: Loose = None
    timestamp: Loose = None
    data: Loose = None


class _Lost(msgspec.Struct):
    push_message_list: list[_Message] = []
    has_next_page: bool = False
    last_message_id: Loose = None


class _ConfigReply(msgspec.Struct):
    response: _Config


class _LostReply(msgspec.Struct):
    response: _Lost


_CONFIG = reading.decoder(_ConfigReply)
_MESSAGES = reading.decoder(_LostReply)


async def subscriptions(desk: Desk) -> list[Subscription]:
    """The one address that the app has, or none; a suspended one is not live."""
    found = judging.decoded(await _get(desk, _GET), _CONFIG).response
    url = reading.line(found.callback_url)
    if not url:
        return []
    topics = frozenset(str(code) for code in found.push_config_on_list)
    status = reading.line(found.live_push_status)
    return [Subscription("app", url, topics, status.lower() != _SUSPENDED, status)]


async def subscribe(desk: Desk, url: str, topics: frozenset[str]) -> Subscription:
    """Set the address and switch these codes on; saying it again also ends a suspension."""
    codes = sorted(int(topic) for topic in topics)
    await _post(desk, _SET, {"callback_url": url, "set_push_config_on": codes})
    return Subscription("app", url, topics)


async def unsubscribe(desk: Desk, subscription: Subscription) -> None:
    """Switch the codes off; the address itself stays in the console."""
    codes = sorted(int(topic) for topic in subscription.topics)
    await _post(desk, _SET, {"callback_url": subscription.url, "set_push_config_off": codes})


async def pull(desk: Desk) -> Pulled:
    """The oldest hundred lost pushes, each as the body that was not taken."""
    found = judging.decoded(await _get(desk, _LOST), _MESSAGES).response
    bodies = [_body(one) for one in found.push_message_list]
    place = "" if found.last_message_id is None or not bodies else str(found.last_message_id)
    return Pulled(bodies, place, found.has_next_page)


def _body(one: _Message) -> bytes:
    """`data` is a text here and an object in the push itself."""
    data: object = one.data
    if isinstance(data, str):
        try:
            data = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            data = {"unreadable": data}
    shown: Mapping[str, object] = {"data": data, "shop_id": one.shop_id, "code": one.code, "timestamp": one.timestamp}
    return msgspec.json.encode(shown)


async def confirm(desk: Desk, place: str) -> str:
    """Everything up to this message is safe here; the list begins behind it from now on."""
    await _post(desk, _CONFIRM, {"last_message_id": int(place) if place.isdecimal() else place})
    return ""


async def _get(desk: Desk, path: str) -> Response:
    query = signing.query(desk.app, path, desk.clock.now())
    return await desk.client.get(f"{desk.app.hosts['api']}{path}", query=query)


async def _post(desk: Desk, path: str, body: Mapping[str, object]) -> Response:
    query = signing.query(desk.app, path, desk.clock.now())
    return await desk.client.post(f"{desk.app.hosts['api']}{path}", body, query=query)
