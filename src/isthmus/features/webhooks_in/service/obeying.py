"""Does what a platform passes on in the name of a person or of the law: tell what is kept, or forget it.

Such news are signed by the platform and name whom they are about; there is nothing that could be read anew for them.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from isthmus.engine.db import Tx as SystemTx
from isthmus.features import catalog, connections, orders
from isthmus.features.webhooks_in.events import DataErased, DataRequested
from isthmus.features.webhooks_in.model import reading
from isthmus.features.webhooks_in.model.handling import Subject
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.service.acting import Job, Outcome
from isthmus.features.webhooks_in.store import days as store
from isthmus.kit.errors import Problem
from isthmus.scope import Scope

REQUESTED, CUSTOMER, SHOP = "privacy.data_requested", "privacy.customer_redacted", "privacy.shop_redacted"
_STEP = 2_000
_TEXT = 500
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class _About:
    """Whom and what the news name, by the platform's own ids."""

    connection_id: str
    person: str
    records: Sequence[str]


async def obey(scope: Scope, jobs: Sequence[Job]) -> dict[str, Outcome]:
    """Each of them, one after the other."""
    return {job.subject.id: await _obeyed(scope, job.subject) for job in jobs}


async def _obeyed(scope: Scope, subject: Subject) -> Outcome:
    about = await _about(scope, subject)
    try:
        if subject.event == REQUESTED:
            return await _tell(scope, subject, about)
        if subject.event == CUSTOMER:
            return await _forget_person(scope, subject, about)
        if subject.event == SHOP:
            return await _forget_shop(scope, subject, about)
    except Problem as problem:
        return Outcome("failed", f"{problem.code}: {problem.message}"[:_TEXT])
    return Outcome("ignored", "Nothing is known to be done about this.")


async def _about(scope: Scope, subject: Subject) -> _About:
    scheme = (await catalog.found(scope, subject.provider)).manifest.webhooks
    hint = reading.hint_of(scheme, subject.topic) if scheme is not None else None
    inbound = Inbound(Request("POST", "", (), subject.headers, subject.body))
    person = inbound.text(hint.person) if hint is not None and hint.person else ""
    listed = inbound.text(hint.records) if hint is not None and hint.records else ""
    return _About(subject.connection_id or "", person, _ids(listed))


def _ids(listed: str) -> list[str]:
    """The ids of a JSON list, as the platform's other news write them."""
    try:
        found = msgspec.json.decode(listed) if listed else []
    except msgspec.DecodeError:
        return []
    return [str(one) for one in found[:_MOST]] if isinstance(found, list) else []


async def _tell(scope: Scope, subject: Subject, about: _About) -> Outcome:
    customer_id, known = await orders.known_of(scope, about.connection_id, about.person, about.records)
    body = {
        "provider": subject.provider,
        "connectionId": about.connection_id,
        "customer": about.person,
        "customerId": customer_id,
        "orderIds": known,
        "requestedOrders": list(about.records),
    }
    async with scope.tx() as tx:
        tx.emit(DataRequested(subject=subject.id, body=body))
    return Outcome("done", None, None, {"customerId": customer_id, "orders": len(known)})


async def _forget_person(scope: Scope, subject: Subject, about: _About) -> Outcome:
    count = await orders.redact_at(scope, (about.connection_id, subject.provider), about.person, about.records)
    named = [*about.records, about.person] if about.person else about.records
    await _blank(scope, about.connection_id, named, subject.id)
    await _say(scope, subject, about, "customer", count)
    return Outcome("done", None, None, {"orders": count})


async def _forget_shop(scope: Scope, subject: Subject, about: _About) -> Outcome:
    """The end of its connection takes what was read of it from everywhere; what it pushed goes here."""
    await _blank(scope, about.connection_id, None, subject.id)
    # one that was disconnected before took its data with it then
    with contextlib.suppress(connections.ConnectionNotFound):
        await connections.disconnect(scope, about.connection_id)
    await _say(scope, subject, about, "shop", 0)
    return Outcome("done", None, None, {"disconnected": about.connection_id})


async def _say(scope: Scope, subject: Subject, about: _About, what: str, count: int) -> None:
    body = {"provider": subject.provider, "connectionId": about.connection_id, "customer": about.person}
    async with scope.tx() as tx:
        tx.emit(DataErased(subject=subject.id, body={**body, "what": what, "orders": count}))


async def forget_bodies(tx: SystemTx, event: Mapping[str, Any]) -> None:
    """Erase what was pushed about orders whose persons were erased."""
    about = (list(event["body"]["externalIds"]), "")
    while await store.blank(tx, event["tenant_id"], event["body"]["connectionId"], about, _STEP):
        continue


async def close_forbidden(tx: SystemTx, event: Mapping[str, Any]) -> None:
    """Erase what was pushed until then about records that an integration may not read any more."""
    body = event["body"]
    place = (body["connectionIds"], body.get("entities", ()))
    while await store.close_some(tx, event["tenant_id"], place, event["at"], _STEP):
        continue


async def _blank(scope: Scope, connection_id: str, objects: Sequence[str] | None, own: str) -> None:
    more = True
    while more:
        async with scope.tx() as tx:
            about = (None if objects is None else list(objects), own)
            more = await store.blank(tx, scope.tenant_id, connection_id, about, _STEP)
