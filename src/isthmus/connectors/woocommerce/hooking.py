"""A shop's webhooks: one for each topic, made by its API, brought back when switched off (marketplaces.md 7.5)."""

from urllib.parse import quote

import msgspec

from isthmus.client import Missing
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session, Subscription
from isthmus.kit.secret import Secret

_MOST = 100
_PAGES = 20
_ACTIVE = "active"


class _Hook(msgspec.Struct):
    id: Loose = None
    status: Loose = None
    topic: Loose = None
    delivery_url: Loose = None


_HOOKS = reading.decoder(list[_Hook])


async def found(session: Session, place: str) -> list[Subscription]:
    """All webhooks of the shop, ours and others'."""
    every: list[Subscription] = []
    for page in range(1, _PAGES + 1):
        query: dict[str, str | int] = {"page": page, "per_page": _MOST, "status": "all"}
        answer = await session.client.get(place, query=query)
        rows: list[_Hook] = judging.decoded(answer, _HOOKS)
        every += [_read(row) for row in rows]
        if len(rows) < _MOST:
            break
    return every


def _read(row: _Hook) -> Subscription:
    status = reading.line(row.status)
    topics = frozenset({reading.line(row.topic)})
    return Subscription(str(row.id), reading.line(row.delivery_url), topics, status == _ACTIVE, status)


async def ask(session: Session, place: str, url: str, topics: frozenset[str], secret: Secret) -> None:
    """One webhook for each topic; one that is there is switched on and given the secret anew."""
    there = [one for one in await found(session, place) if one.url == url]
    for topic in sorted(topics):
        known = next((one for one in there if topic in one.topics), None)
        body = {"status": _ACTIVE, "secret": secret.reveal()}
        if known is not None:
            await session.client.put(f"{place}/{quote(known.id, safe='')}", body)
        else:
            more = {"name": f"Isthmus {topic}", "topic": topic, "delivery_url": url}
            await session.client.post(place, {**more, **body})


async def end(session: Session, place: str, subscription: Subscription) -> None:
    """Delete one for good."""
    try:
        await session.client.delete(f"{place}/{quote(subscription.id, safe='')}", query={"force": "true"})
    except Missing:
        return
