"""Pushes that are asked for shop by shop: each connection has an address of its own, or its place in the app's queue.

They are compared with what the shop says every day, and mended. When the connection ends, the shop is told before its
keys are destroyed (`connections`); here the address goes.
"""

from dataclasses import dataclass
from datetime import timedelta

from isthmus.connect.spi import Queues, ShopSubscriber
from isthmus.connect.webhooks import Webhooks
from isthmus.features import catalog, connections, vault
from isthmus.features.connections import Connection
from isthmus.features.webhooks_in.errors import NothingToSignWith, SourceNotFound
from isthmus.features.webhooks_in.events import SubscriptionMade, SubscriptionRemoved
from isthmus.features.webhooks_in.service import finding, managing
from isthmus.features.webhooks_in.service.managing import Wanted
from isthmus.features.webhooks_in.store import subscriptions as store
from isthmus.features.webhooks_in.store.subscriptions import Checked, Place
from isthmus.kit import ids
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

_DAY = timedelta(days=1)
_FIELD = "webhook_url"
_PREFIX = "con_"
_SECRET_BITS = 256


@dataclass(frozen=True, slots=True)
class _Told:
    """Which topics the shop says that it pushes now, and which of them had to be asked for."""

    topics: frozenset[str]
    mended: frozenset[str] = frozenset()


def is_shop(registration_id: str) -> bool:
    """Whether a subscription's key names one shop's connection, and not an app."""
    return registration_id.startswith(_PREFIX)


async def want(scope: Scope, connection: Connection, queue: str | None) -> Place | None:
    """Note that one shop's news are to come; None where nobody is asked shop by shop. `queue` is that of its app."""
    scheme, connector = await _known(scope, connection.provider)
    if scheme is None or not (isinstance(connector, ShopSubscriber) or (queue and isinstance(connector, Queues))):
        return None
    place = Place(scope.tenant_id, connection.provider, connection.id)
    async with scope.tx() as tx:
        await store.open_subscription(tx, place, sorted(_topics(scheme)), scope.now)
    return place


async def compare(scope: Scope, place: Place, queue: str | None) -> None:
    """Ask one shop what it pushes, have it push what is lacking, and write that down.

    Raises what platforms raise, and NothingToSignWith.
    """
    scheme, _ = await _known(scope, place.provider)
    wanted = _topics(scheme) if scheme is not None else frozenset()
    told = await _asked(scope, place, wanted, queue)
    if told is None:
        async with scope.tx() as tx:
            await store.remove(tx, place)
        return
    lacking = sorted(wanted - told.topics)
    found = Checked(
        state="failed" if lacking else "live",
        reason=f"The shop does not push: {', '.join(lacking)}." if lacking else None,
        topics=sorted(told.topics),
        next_at=scope.now + _DAY,
        repaired=bool(told.mended),
    )
    async with scope.tx() as tx:
        known = await store.subscription(tx, place, locked=True)
        await store.checked(tx, place, found, scope.now)
        before = bool(known and known["checked_at"])
        if told.mended or not before:
            body = {"connectionId": place.registration_id, "repaired": before, "topics": sorted(told.mended)}
            tx.emit(SubscriptionMade(subject=place.provider, body=body))


async def _asked(scope: Scope, place: Place, wanted: frozenset[str], queue: str | None) -> _Told | None:
    """None where there is nothing to ask this shop for."""
    _, connector = await _known(scope, place.provider)
    if isinstance(connector, ShopSubscriber):
        url, secret = await _address(scope, place)
        async with connections.session(scope, place.registration_id) as session:
            every = await connector.shop_subscriptions(session)
            live = {topic for one in every if one.url == url.reveal() and one.live for topic in one.topics}
            lacking = wanted - live
            if lacking:
                await connector.subscribe_shop(session, url.reveal(), lacking, secret)
        return _Told(wanted, lacking)
    if isinstance(connector, Queues) and queue is not None:
        async with connections.session(scope, place.registration_id) as session:
            joined = await connector.join_queue(session, queue, wanted)
            return None if joined is None else _Told(joined & wanted)
    return None


async def _address(scope: Scope, place: Place) -> tuple[Secret, Secret]:
    """The address of a shop's source, which is made when there is none, and what the shop is to sign with."""
    made = await _made(scope, place)
    if made is not None:
        url, source_id = made
        return url, await _secret(scope, source_id)
    scheme, _ = await _known(scope, place.provider)
    field = scheme.connection_field if scheme is not None else ""
    if field and await connections.credential(scope, place.registration_id, field) is None:
        raise NothingToSignWith(details={"field": field})
    own = None if field else Secret(ids.token(_SECRET_BITS))
    seen = await managing.add(scope, Wanted(place.provider, connection_id=place.registration_id, secret=own))
    assert seen.url is not None  # noqa: S101 - a source that was just made
    async with scope.tx() as tx:
        sealed = await vault.seal(scope, tx, seen.url, owner=place.registration_id, field=_FIELD)
        first = await store.give_source(tx, place, seen.source.id, sealed)
    if not first:
        await managing.remove(scope, seen.source.id)
    return await _address(scope, place)


async def _made(scope: Scope, place: Place) -> tuple[Secret, str] | None:
    """The address and the id of a shop's source, if it has one."""
    async with scope.tx() as tx:
        known = await store.subscription(tx, place)
        if known is None or known["source_id"] is None:
            return None
        url = await vault.open(scope, tx, known["sealed_url"], owner=place.registration_id, field=_FIELD)
        return url, known["source_id"]


async def _secret(scope: Scope, source_id: str) -> Secret:
    source = await finding.live(scope, source_id)
    if source is None or not source.secrets:
        raise NothingToSignWith
    return source.secrets[0].secret


async def part(scope: Scope, provider: str, connection_id: str) -> None:
    """A connection has ended: its own address answers nothing any more."""
    place = Place(scope.tenant_id, provider, connection_id)
    async with scope.tx() as tx:
        known = await store.subscription(tx, place)
        if known is None:
            return
        await store.remove(tx, place)
        body = {"connectionId": connection_id, "sourceId": known["source_id"]}
        tx.emit(SubscriptionRemoved(subject=provider, body=body))
    if known["source_id"] is not None:
        try:
            await managing.remove(scope, known["source_id"])
        except SourceNotFound:
            return  # somebody was faster


async def _known(scope: Scope, provider: str) -> tuple[Webhooks | None, object]:
    """How a provider's pushes are read, and what speaks with it."""
    found = await catalog.found(scope, provider)
    return found.manifest.webhooks, found.connector


def _topics(scheme: Webhooks) -> frozenset[str]:
    """What can be asked for by a call."""
    return frozenset(scheme.topics) - frozenset(scheme.console_topics)
