"""Endpoints: made and verified, changed, their secrets rotated, tested, deleted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec

from isthmus.engine.db import Tx as SystemTx
from isthmus.features import vault
from isthmus.features.webhooks_out import model
from isthmus.features.webhooks_out.errors import (
    EndpointChangedMeanwhile,
    EndpointNotFound,
    TooManyEndpoints,
    WrongEndpoint,
)
from isthmus.features.webhooks_out.events import (
    EndpointChanged,
    EndpointCreated,
    EndpointDeleted,
    EndpointPaused,
    EndpointVerified,
    SecretRotated,
)
from isthmus.features.webhooks_out.model import Catalogue, Draft, Endpoint
from isthmus.features.webhooks_out.service import planning, sending
from isthmus.features.webhooks_out.service.sending import Keys, Outgoing, Reply, Sender, secret_field
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import endpoints as store
from isthmus.kit import webhooks
from isthmus.kit.clock import behind
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

#: Who may have endpoints.
ROLES: Final = frozenset({SUPER_ADMIN, TENANT_ADMIN})
_TOLD_AT_ONCE: Final = 500
_NO_HEADERS: Mapping[str, Secret] = {}


@dataclass(frozen=True, slots=True)
class Made:
    """An endpoint with the secret that is shown once."""

    endpoint: Endpoint
    secret: Secret | None


async def create(
    scope: Scope,
    draft: Draft,
    *,
    headers: Mapping[str, Secret] = _NO_HEADERS,
    asymmetric: bool = False,
    verify: bool = True,
) -> Made:
    """Make an endpoint and send it a signed ping; until that is answered it gets nothing else (WH-10).

    Raises WrongEndpoint, TooManyEndpoints. `verify=False` passes over the ping, which the audit log shows.
    """
    draft = _checked(scope, draft)
    _check_types(scope, draft.types)
    model.check_headers(headers)
    endpoint_id, now = scope.id("whe"), scope.now
    secret, public = webhooks.new_key_pair() if asymmetric else (webhooks.new_secret(), None)
    async with scope.tx() as tx:
        most = scope.part(Settings).max_endpoints
        if await store.count(tx) >= most:
            raise TooManyEndpoints(details={"limit": most})
        values = {
            **_of_draft(draft),
            "id": endpoint_id,
            "state": "unverified" if verify else "active",
            "state_reason": None,
            "scheme": "v1a" if asymmetric else "v1",
            "public_key": public,
            "secret": await vault.seal(scope, tx, secret, owner=endpoint_id, field=secret_field(1)),
            "previous_secret": None,
            "previous_until": None,
            "secret_version": 1,
            "headers": await sending.seal_headers(scope, tx, endpoint_id, headers),
            "header_names": sorted(headers),
            "health": "healthy",
            "created_at": now,
            "updated_at": now,
            "maker": _maker(scope),
        }
        await store.insert_endpoint(tx, values)
        body, after = (
            {"url": draft.url, "overridden": not verify},
            _told(draft, values["state"], values["header_names"]),
        )
        tx.emit(EndpointCreated(subject=endpoint_id, body=body, after=after))
    if verify:
        await test(scope, endpoint_id)
    return Made(await get(scope, endpoint_id), None if asymmetric else secret)


async def get(scope: Scope, endpoint_id: str) -> Endpoint:
    """One endpoint. Raises EndpointNotFound."""
    async with scope.tx() as tx:
        return await _found(tx, endpoint_id)


async def listing(scope: Scope, ask: Ask) -> Page[Endpoint]:
    """Endpoints in the order of their making."""
    async with scope.tx() as tx:
        rows = await store.page(tx, ask.after or "", ask.offset, ask.limit + 1)
    kept, more = rows[: ask.limit], len(rows) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def change(
    scope: Scope, endpoint_id: str, changes: Mapping[str, Any], headers: Mapping[str, Secret] | None = None
) -> Endpoint:
    """Change fields of a draft, the headers, or the state (`active` or `paused`).

    A new address must answer a ping again. Raises EndpointNotFound, WrongEndpoint, EndpointChangedMeanwhile.
    """
    wanted = dict(changes)
    state = wanted.pop("state", None)
    async with scope.tx() as tx:
        before = await _found(tx, endpoint_id, lock=True)
        fields = {name: getattr(before, name) for name in Draft.__dataclass_fields__}
        draft = _checked(scope, Draft(**{**fields, **wanted}))
        _check_types(scope, set(draft.types) - set(before.types))
        values = store.columns(before) | _of_draft(draft)
        if headers is not None:
            model.check_headers(headers)
            values["headers"] = await sending.seal_headers(scope, tx, endpoint_id, headers)
            values["header_names"] = sorted(headers)
        values |= _state(before, state, moved=draft.url != before.url)
        if state == "active":
            values["maker"] = _maker(scope)
        was, now = _told(before), _told(draft, values["state"], values["header_names"])
        other = [name for name in now if was[name] != now[name]]
        if other or headers is not None:
            scope.check_seen(before.etag, EndpointChangedMeanwhile)
            values["updated_at"] = behind(before.updated_at, scope.now)
        await store.update_endpoint(tx, endpoint_id, values)
        if values["state"] == "active" and before.state != "active":
            await store.wipe(tx, endpoint_id)
        if values["state"] == "active":
            await planning.advance(tx, scope.tenant_id, endpoint_id, scope.now)
        changed = sorted({*wanted, *(["state"] if state else []), *(["headers"] if headers is not None else [])})
        body = {"changed": changed, "state": values["state"]}
        sides = {"before": {name: was[name] for name in other}, "after": {name: now[name] for name in other}}
        tx.emit(EndpointChanged(subject=endpoint_id, body=body, **sides))
    if values["state"] == "unverified" and draft.url != before.url:
        await test(scope, endpoint_id)
    return await get(scope, endpoint_id)


def _maker(scope: Scope) -> str:
    return f"{scope.principal.kind}:{scope.principal.subject}"


async def stop_of(tx: SystemTx, tenant_id: str, maker: str) -> int:  # house: silent - the cause is an event itself
    """Pause what somebody made who may no longer have endpoints; how many. Whoever activates one takes it over."""
    return await store.pause_of(tx, tenant_id, maker)


async def heard(tx: SystemTx, tenant_id: str, status: str) -> int:  # house: silent - the cause is an event itself
    """Pause the endpoints of a suspended tenant, and let them go on when it is let in again; how many.

    What waits is planned by the next look for such deliveries.
    """
    return await (store.halt if status == "suspended" else store.let_go)(tx, tenant_id)


async def any_open(system: System) -> bool:
    """Whether something of any endpoint is left to be planned or told: one look for both."""
    async with system.tx() as tx:
        return await store.any_open(tx)


async def tell(system: System) -> None:
    """Tell the owners of endpoints that were paused without their doing."""
    async with system.tx() as tx:
        rows = await store.untold(tx, _TOLD_AT_ONCE)
    for row in rows:
        scope = system.scope(row["tenant_id"], "webhooks_out")
        async with scope.tx() as own:
            found = await store.tell(own, row["id"])
            if found is not None:
                body = {"url": found["url"], "reason": found["state_reason"]}
                own.emit(EndpointPaused(subject=row["id"], body=body))


def _state(before: Endpoint, state: str | None, *, moved: bool) -> dict[str, Any]:
    """The state after a change; activation wipes the slate."""
    if moved:
        return {"state": "unverified", "state_reason": None, "health": "healthy"}
    if state is None or state == before.state:
        return {}
    if before.state == "unverified":
        # paused it would be active again without an answer
        raise WrongEndpoint.field("state", "The endpoint must answer its ping first: use its test route.")
    fresh = {"health": "healthy"} if state == "active" else {}
    return {"state": state, "state_reason": None, **fresh}


async def delete(scope: Scope, endpoint_id: str) -> None:
    """Remove an endpoint with its deliveries. Raises EndpointNotFound."""
    async with scope.tx() as tx:
        found = await _found(tx, endpoint_id, lock=True)
        await store.delete_endpoint(tx, endpoint_id)
        tx.emit(EndpointDeleted(subject=endpoint_id, before=_told(found)))


async def rotate(scope: Scope, endpoint_id: str, overlap: timedelta | None = None) -> Made:
    """A new secret; the old one signs beside it until the overlap ends. Raises EndpointNotFound, WrongEndpoint."""
    length = scope.part(Settings).overlap if overlap is None else overlap
    if not timedelta(0) <= length <= timedelta(days=7):
        raise WrongEndpoint.field("overlapSeconds", "Between 0 and seven days.")
    async with scope.tx() as tx:
        before = await _found(tx, endpoint_id, lock=True)
        asymmetric = before.scheme == "v1a"
        secret, public = webhooks.new_key_pair() if asymmetric else (webhooks.new_secret(), None)
        version = before.secret_version + 1
        values = store.columns(before) | {
            "public_key": public,
            "secret": await vault.seal(scope, tx, secret, owner=endpoint_id, field=secret_field(version)),
            "previous_secret": before.secret,
            "previous_until": scope.now + length,
            "secret_version": version,
            "updated_at": scope.now,
        }
        await store.update_endpoint(tx, endpoint_id, values)
        tx.emit(SecretRotated(subject=endpoint_id, body={"version": version}))
    return Made(await get(scope, endpoint_id), None if asymmetric else secret)


async def test(scope: Scope, endpoint_id: str) -> Reply:
    """Send a signed `webhook.ping` now; an endpoint that answers is verified. Raises EndpointNotFound."""
    async with scope.tx() as tx:
        endpoint = await _found(tx, endpoint_id)
        keys = await sending.open_keys(scope, tx, endpoint)
    reply = await _ping(scope, keys, endpoint_id)
    if reply.outcome.delivered and endpoint.state == "unverified":
        async with scope.tx() as tx:
            now = await _found(tx, endpoint_id, lock=True)
            if now.state == "unverified" and now.url == endpoint.url:
                # whose maker has left is taken over by whoever verifies it
                values = {"state": "active", "maker": now.maker or _maker(scope)}
                await store.update_endpoint(tx, endpoint_id, store.columns(now) | values)
                tx.emit(EndpointVerified(subject=endpoint_id, body={"url": endpoint.url}))
    return reply


async def _ping(scope: Scope, keys: Keys, endpoint_id: str) -> Reply:
    stamp = scope.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message_id = scope.id("evt")
    shape = {"id": message_id, "type": "webhook.ping", "timestamp": stamp, "subject": endpoint_id, "data": {}}
    return await scope.part(Sender).post(keys, Outgoing(message_id, msgspec.json.encode(shape)), scope.clock)


async def reseal(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal some endpoints' secrets under the tenant's current key; the last id, None behind the last one."""
    async with scope.tx() as tx:
        rows = await store.sealed_page(tx, after or "", limit)
        for row in rows:
            version = row["secret_version"]
            old = (row["secret"], row["previous_secret"], row["headers"])
            fields = (secret_field(version), secret_field(version - 1), sending.HEADERS_FIELD)
            new = [await _again(scope, tx, row["id"], value, field) for value, field in zip(old, fields, strict=True)]
            if tuple(new) != old and new[0] is not None:
                await store.update_sealed(tx, row["id"], new[0], new[1], new[2])
    return rows[-1]["id"] if len(rows) == limit else None


async def _again(scope: Scope, tx: Tx, owner: str, sealed: bytes | None, field: str) -> bytes | None:
    if sealed is None:
        return None
    return await vault.reseal(scope, tx, sealed, owner=owner, field=field) or sealed


def _checked(scope: Scope, draft: Draft) -> Draft:
    url = scope.part(Sender).check_url(draft.url)
    return model.check_draft(Draft(**{**{name: getattr(draft, name) for name in _FIELDS}, "url": url}))


def _check_types(scope: Scope, types: Iterable[str]) -> None:
    """Raise WrongEndpoint for a type that is misspelt: nothing would ever come, and nobody would know why."""
    unknown = scope.part(Catalogue).unknown(sorted(types))
    if unknown is not None:
        raise WrongEndpoint.field("types", f"There is no event type {unknown}; GET /api/webhooks/event-types has all.")


_FIELDS: Sequence[str] = tuple(Draft.__dataclass_fields__)


def _told(one: Draft | Endpoint, state: str = "", headers: Iterable[str] = ()) -> dict[str, Any]:
    """What the audit log says of an endpoint; of one that is wanted, the state and the names of its headers beside."""
    if isinstance(one, Endpoint):
        state, headers = one.state, one.header_names
    return {**_of_draft(one), "state": state, "headers": sorted(headers)}


def _of_draft(draft: Draft | Endpoint) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in _FIELDS}
    values["types"] = list(draft.types)
    values["conditions"] = [[one.field, one.operator, one.value] for one in draft.conditions]
    return values


async def _found(tx: Tx, endpoint_id: str, *, lock: bool = False) -> Endpoint:
    found = await store.endpoint(tx, endpoint_id, lock=lock)
    if found is None:
        raise EndpointNotFound
    return found
