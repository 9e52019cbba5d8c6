"""A shop's subscriptions, one for each topic, made with the app's token (marketplaces.md 6.7).

Shopify deletes a subscription whose deliveries failed for hours. The privacy topics are entered in the app's own
configuration; no call takes them.
"""

from urllib.parse import quote

import msgspec

from isthmus.client import CallerMistake, Missing
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session, Subscription

_MOST = 250


class _Hook(msgspec.Struct):
    id: Loose = None
    address: Loose = None
    topic: Loose = None


class _Hooks(msgspec.Struct):
    webhooks: list[_Hook]


_HOOKS = reading.decoder(_Hooks)


async def found(session: Session, base: str) -> list[Subscription]:
    """The app's own; Shopify shows no others."""
    answer = await session.client.get(f"{base}/webhooks.json", query={"limit": _MOST})
    rows: list[_Hook] = judging.decoded(answer, _HOOKS).webhooks
    return [Subscription(str(row.id), reading.line(row.address), frozenset({reading.line(row.topic)})) for row in rows]


async def ask(session: Session, base: str, url: str, topics: frozenset[str]) -> None:
    """One for each topic that is not there."""
    for topic in sorted(topics - await _at(session, base, url)):
        body = {"webhook": {"topic": topic, "address": url, "format": "json"}}
        try:
            await session.client.post(f"{base}/webhooks.json", body)
        except CallerMistake:
            # a second one for the same address is refused; then somebody was faster
            if topic not in await _at(session, base, url):
                raise


async def _at(session: Session, base: str, url: str) -> set[str]:
    return {topic for one in await found(session, base) if one.url == url for topic in one.topics}


async def end(session: Session, base: str, subscription: Subscription) -> None:
    """Delete one."""
    try:
        await session.client.delete(f"{base}/webhooks/{quote(subscription.id, safe='')}.json")
    except Missing:
        return
