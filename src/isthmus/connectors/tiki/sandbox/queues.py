"""Tiki's event queues (reference 4.6): made and read by the application, joined by its sellers."""

from dataclasses import dataclass, field

from isthmus.connectors.tiki.sandbox.rules import refuse
from isthmus.sandbox import App, Call, Refusal, Reply, Shop, json_reply

_BATCH = 50


@dataclass
class Queue:
    """One queue: the events that nobody has confirmed, in order, and who joined for what."""

    app: App
    code: str
    name: str
    events: list[dict[str, object]] = field(default_factory=list)
    joined: set[tuple[str, str]] = field(default_factory=set)
    last: int = 0
    #: The place of the batch that was handed out last, and how many it held.
    handed: tuple[str, int] = ("", 0)


class Queues:
    """Those of all applications."""

    def __init__(self) -> None:
        self._queues: dict[str, Queue] = {}

    def tell(self, sid: str, kind: str, payload: object, moment: int) -> int:
        """An event of one seller, in each queue that the seller has joined for it; how many have."""
        told = 0
        for queue in self._queues.values():
            if (sid, kind) in queue.joined:
                queue.last += 1
                event = {"id": f"{queue.code}-{queue.last}", "sid": sid, "created_at": moment * 1000}
                queue.events.append({**event, "type": kind, "version": "v1", "payload": payload})
                told += 1
        return told

    def named(self, app: App, name: str) -> Queue | None:
        """The application's queue of this name."""
        return next((one for one in self._queues.values() if one.app is app and one.name == name), None)

    def of_app(self, app: App) -> list[Queue]:
        """The application's queues."""
        return [one for one in self._queues.values() if one.app is app]

    def open(self, app: App, name: str, code: str) -> Queue:
        """A new one."""
        made = self._queues[code] = Queue(app, code, name)
        return made

    def of(self, app: App, code: str) -> Queue | None:
        """The application's queue with this code."""
        found = self._queues.get(code)
        return found if found is not None and found.app is app else None


def _wrong(status: int, rule: str, message: str) -> Refusal:
    return Refusal(json_reply({"error": {"id": rule, "message": message}}, status=status), rule)


def _app(shop: Shop, call: Call) -> tuple[App, str]:
    """The application of a token, and the seller that the token is tied to."""
    token = shop.ledger.find(shop.bearer(call), "access")
    if token is None or token.dead(shop.clock.now()):
        raise refuse(401, "token", "Access token is missing, invalid or expired")
    shop.admit(call, token.grant.app, token.entity)
    return token.grant.app, token.entity


def create(shop: Shop, call: Call, queues: Queues) -> Reply:
    """POST /v1/queues."""
    app, _ = _app(shop, call)
    name = call.json().get("name")
    if not isinstance(name, str) or not name:
        raise _wrong(400, "name", "name is required")
    found = queues.named(app, name) or queues.open(app, name, shop.dice("queue", app.key, name).text(16))
    return json_reply({"code": found.code, "name": found.name, "status": "active"})


def join(shop: Shop, call: Call, queues: Queues) -> Reply:
    """POST /v1/queues/{code}/subscriptions, with a seller's token."""
    app, entity = _app(shop, call)
    queue, seller = queues.of(app, call.params["code"]), shop.seller(entity)
    kind = call.json().get("event_type")
    if queue is None:
        raise _wrong(404, "queue", "no such queue")
    if seller is None or not isinstance(kind, str):
        raise _wrong(400, "subscription", "a seller's token and an event_type are required")
    sid = seller.extra["sid"]
    queue.joined.add((sid, kind))
    return json_reply({"code": queue.code, "active": True, "event_type": kind, "sid": sid})


def pull(shop: Shop, call: Call, queues: Queues) -> Reply:
    """POST /v1/queues/{code}/events/pull: giving the last place confirms that batch; null repeats it."""
    app, _ = _app(shop, call)
    queue = queues.of(app, call.params["code"])
    if queue is None:
        raise _wrong(404, "queue", "no such queue")
    ack = call.json().get("ack_id")
    place, count = queue.handed
    if ack is not None and ack == place:
        del queue.events[:count]
    events = queue.events[:_BATCH]
    queue.handed = (f"{queue.code}-{queue.last}-{shop.request_id()[:8]}" if events else place, len(events))
    return json_reply({"events": events, "ack_id": queue.handed[0] or None})
