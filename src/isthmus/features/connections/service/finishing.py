"""The way back from the platform: who may finish a consent, and how each end is told (docs/adr/0006)."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Literal

from isthmus.client import ApiClient, ClientError
from isthmus.connect.declarative import OWN_NAME
from isthmus.connect.spi import Callback, ConsentDenied, Granted, SignsCallbacks, Unmappable
from isthmus.connect.spi import Consent as Asked
from isthmus.features import catalog, vault
from isthmus.features.catalog import Registration
from isthmus.features.connections import events
from isthmus.features.connections.errors import ConnectionNotFound, ConsentFailed, TicketRefused
from isthmus.features.connections.model import flow as rules
from isthmus.features.connections.model import returns
from isthmus.features.connections.model.connection import WrongAccount, hosts_digest
from isthmus.features.connections.model.flow import Flow, Outcome
from isthmus.features.connections.model.recording import COUNTERS_KEPT
from isthmus.features.connections.service import far_time, placing, settling, starting
from isthmus.features.connections.service.clients import Clients, located
from isthmus.features.connections.service.settling import Settled
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections, flows, owning, recording, tokens
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem
from isthmus.kit.facts import RequestFacts
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

_LOG = logging.getLogger("isthmus.features.connections")
#: What a page of ours says where there is no address to return to.
Said = Literal["unknown", "elsewhere", "done", "held", "failed"]


@dataclass(frozen=True, slots=True)
class Asker:
    """What a public request brings: where it is from, and its cookies."""

    facts: RequestFacts
    cookies: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the browser goes: to `location`, or to a page of our own. `cookie` is set, or with no value removed."""

    location: Secret | None = None
    said: Said = "unknown"
    status: int = HTTPStatus.OK
    #: How it failed, and what whoever began has to redeem.
    outcome: str = ""
    ticket: Secret | None = None
    #: Whether there was a return address that is not allowed any more.
    unreturnable: bool = False
    cookie_name: str = ""
    cookie: Secret | None = None


class _Ended(Exception):
    """The consent cannot become a connection."""

    def __init__(self, outcome: Outcome, detail: str = "") -> None:
        self.outcome = outcome
        self.detail = detail
        super().__init__(outcome)


async def open_link(system: System, asker: Asker, link: Secret) -> Ending:
    """The interstitial: once, ties the browser to the flow, then sends it to the platform (OA-02)."""
    settings = system.engine.part(Settings)
    state = rules.state_of(link)
    name = rules.cookie_name(state, secure=settings.secure)
    cookie = Secret(ids.token(256))
    shown = rules.proof(asker.cookies.get(name, ""))
    async with system.tx() as tx:
        row = await flows.update_opened(tx, rules.flow_key(state), shown, rules.proof(cookie.reveal()), system.now)
    if row is None:
        return Ending(said="unknown", status=HTTPStatus.NOT_FOUND)
    scope = _scope(system, asker, row.flow)
    try:
        registration = await _registration(scope, row.flow)
        address = await _consent_url(scope, row, registration, state)
    except _Ended as ended:
        return await _failed(scope, row.flow, ended)
    async with scope.tx() as tx:
        tx.emit(
            events.ConsentOpened(
                subject=row.flow.connection_id, body={"browser": "starter" if row.flow.starter_bound else "other"}
            )
        )
    if row.flow.starter_bound:
        return Ending(location=address)
    return Ending(location=address, cookie_name=name, cookie=cookie)


async def callback(
    system: System, asker: Asker, registration_id: str | None, query: Sequence[tuple[str, str]]
) -> Ending:
    """The platform sent somebody back. Consumes the flow, if the browser is its own, and ends it one way or another."""
    values = rules.single(query)
    state = (values or {}).get("state", "")
    if not values or not state:
        return Ending(said="unknown", status=HTTPStatus.NOT_FOUND)
    name = rules.cookie_name(state, secure=system.engine.part(Settings).secure)
    row = await _take(system, asker, rules.flow_key(state), asker.cookies.get(name))
    if isinstance(row, Ending):
        return row
    scope = _scope(system, asker, row.flow)
    try:
        registration = await _registration(scope, row.flow)
        answer = _read(row.flow, registration, registration_id, values, scope.now)
        if not row.flow.starter_bound:
            ending = await _park(scope, row, answer)
        else:
            settled = await _exchange(scope, row.flow, registration, await _verified(scope, row, answer))
            ending = await _connected(scope, row.flow, settled)
    except _Ended as ended:
        ending = await _failed(scope, row.flow, ended)
    return replace(ending, cookie_name=name)


async def redeem(scope: Scope, ticket: Secret) -> Settled:
    """The starter finishes a consent that was given in another browser: only now the code is exchanged (OA-03).

    Raises TicketRefused for everybody else and for every second time, ConsentFailed when the platform or the account
    stands in the way.
    """
    async with scope.tx() as tx:
        row = await flows.redeem(tx, rules.proof(ticket.reveal()), scope.principal.id, scope.now)
        if row is None or row.answer is None:
            raise TicketRefused
        text = await vault.open(scope, tx, row.answer, owner=row.flow.connection_id, field=_answer_field(row.key))
    try:
        registration = await _registration(scope, row.flow)
        settled = await _exchange(scope, row.flow, registration, _callback(json.loads(text.reveal())))
    except _Ended as ended:
        await _note(scope, row.flow, ended)
        raise ConsentFailed(details={"error": ended.outcome.value, "reason": ended.detail}) from ended
    if settled.primary is None:
        raise ConsentFailed(details={"error": Outcome.REVIEW.value})
    return settled


async def sweep(system: System) -> None:
    """Remove what ran out, and connections that were begun long ago and never got credentials."""
    before = system.now - system.engine.part(Settings).abandoned_after
    async with system.tx() as tx:
        await flows.sweep(tx, system.now)
        await tokens.forget_replaced(tx, system.now)
        await recording.sweep(tx, system.now - COUNTERS_KEPT)
        found = await connections.abandoned(tx, before)
    for tenant_id, connection_id in found:
        async with system.scope(tenant_id, "connections").tx() as own:
            integration_id = await connections.delete_connection(own, connection_id)
            if integration_id is not None:
                await connections.delete_unused_integration(own, integration_id)
                body = {"integrationId": integration_id, "revoked": "nothing_to_revoke", "reason": "never connected"}
                own.emit(events.Disconnected(subject=connection_id, body=body))


def _scope(system: System, asker: Asker, flow: Flow) -> Scope:
    return Scope(flow.tenant_id, flow.principal, system.engine, system.clock, *asker.facts)


async def _take(system: System, asker: Asker, key: bytes, cookie: str | None) -> flows.Row | Ending:
    found = None
    async with system.tx() as tx:
        if cookie:
            found = await flows.take(tx, key, rules.proof(cookie), system.now)
        other = None if found else await flows.peek(tx, key, system.now)
    if found is not None:
        return found
    if other is None:
        return Ending(said="unknown", status=HTTPStatus.NOT_FOUND)
    scope = _scope(system, asker, other.flow)
    async with scope.tx() as told:
        told.emit(events.ConsentFailed(subject=other.flow.connection_id, body={"error": "other_browser"}))
    return Ending(said="elsewhere", status=HTTPStatus.FORBIDDEN)


async def _registration(scope: Scope, flow: Flow) -> Registration:
    """The app that the flow was begun with, if nothing about it has changed (OA-08)."""
    try:
        found = await catalog.registration(scope, flow.provider, flow.registration_id)
    except Problem as problem:
        raise _Ended(Outcome.CHANGED, problem.code) from problem
    facts = rules.frozen(hosts_digest(found.app.hosts), found.manifest.oauth)
    if found.version != flow.registration_version or facts != flow.hosts_digest:
        raise _Ended(Outcome.CHANGED)
    return found


async def _consent_url(scope: Scope, row: flows.Row, registration: Registration, state: str) -> Secret:
    oauth = registration.manifest.oauth
    challenge = None
    if row.verifier is not None:
        challenge = rules.challenge(await _verifier(scope, row, row.verifier))
    returned = oauth is None or oauth.returns_state
    asked = Asked(rules.with_state(row.flow.redirect_uri, state, returned=returned), state, challenge)
    app = located(registration, row.flow.account)
    return Secret(registration.connector.consent_url(app, asked, scope.now))


async def _verifier(scope: Scope, row: flows.Row, sealed: bytes) -> Secret:
    async with scope.tx() as tx:
        field = starting.verifier_field(row.key)
        return await vault.open(scope, tx, sealed, owner=row.flow.connection_id, field=field)


def _read(
    flow: Flow, registration: Registration, path_id: str | None, query: Mapping[str, str], now: datetime
) -> Callback:
    """The platform's answer, if it came to the right door. Raises _Ended."""
    oauth = registration.manifest.oauth
    state = query["state"]
    expected = None if oauth is not None and oauth.single_redirect_uri else flow.registration_id
    if path_id != expected:
        raise _Ended(Outcome.MIXED_UP)
    if oauth is not None and not rules.issuer_agrees(oauth.issuer, query.get("iss")):
        raise _Ended(Outcome.MIXED_UP, "iss")
    if "iss" in query and not (oauth and oauth.issuer):
        _LOG.warning("a callback named an issuer that is not expected", extra={"provider": flow.provider})
    returned = oauth is None or oauth.returns_state
    address = rules.with_state(flow.redirect_uri, state, returned=returned)
    connector = registration.connector
    try:
        if isinstance(connector, SignsCallbacks):
            connector.check_callback(located(registration, flow.account), flow.account, query, now)
        return registration.connector.read_callback(query, address)
    except ConsentDenied as denied:
        raise _Ended(Outcome.DENIED, denied.reason[:100]) from denied
    except ValueError as error:
        raise _Ended(Outcome.UNREADABLE) from error


async def _verified(scope: Scope, row: flows.Row, answer: Callback) -> Callback:
    if row.verifier is None:
        return answer
    return replace(answer, verifier=await _verifier(scope, row, row.verifier))


async def _park(scope: Scope, row: flows.Row, answer: Callback) -> Ending:
    """Another browser than the starter's agreed: keep the answer until the starter redeems the ticket (OA-03)."""
    ticket = Secret(ids.token(256))
    key = rules.proof(ticket.reveal())
    whole = await _verified(scope, row, answer)
    expires_at = scope.now + rules.TICKET_LIFETIME
    async with scope.tx() as tx:
        text = Secret(json.dumps(_written(whole)))
        sealed = await vault.seal(scope, tx, text, owner=row.flow.connection_id, field=_answer_field(key))
        parked = replace(row, flow=replace(row.flow, expires_at=expires_at), key=key, verifier=None, answer=sealed)
        await flows.insert_flow(tx, parked, scope.now, parked=True)
        tx.emit(events.ConsentHeld(subject=row.flow.connection_id))
    fields = {"status": "pending", "ticket": ticket.reveal()}
    return await _return(scope, row.flow, fields, Ending(said="held", ticket=ticket))


def _answer_field(key: bytes) -> str:
    return f"answer/{key.hex()}"


def _written(answer: Callback) -> dict[str, object]:
    return {
        "code": answer.code.reveal(),
        "redirect_uri": answer.redirect_uri,
        "verifier": answer.verifier.reveal() if answer.verifier else None,
        "extra": dict(answer.extra),
    }


def _callback(data: Mapping[str, object]) -> Callback:
    verifier, extra = data["verifier"], data["extra"]
    return Callback(
        Secret(str(data["code"])),
        str(data["redirect_uri"]),
        Secret(str(verifier)) if verifier else None,
        {str(name): str(value) for name, value in extra.items()} if isinstance(extra, dict) else {},
    )


async def _exchange(scope: Scope, flow: Flow, registration: Registration, answer: Callback) -> Settled:
    """Trade the code, once and never again (OA-09), and store what it brings. Raises _Ended."""
    deadline = scope.part(Settings).exchange_deadline.total_seconds()
    try:
        clients = scope.part(Clients)
        plain = clients.plain(registration, scope.clock, flow.account, tenant_id=scope.tenant_id, urgent=True)
        async with asyncio.timeout(deadline), plain as client:
            found = await _granted(registration, answer, client, scope.clock, flow.account)
    except (ClientError, TimeoutError) as error:
        raise _Ended(Outcome.EXCHANGE, getattr(error, "code", "timeout")) from error
    except Unmappable as error:
        raise _Ended(Outcome.EXCHANGE, "account_unnamed") from error
    if not found:
        raise _Ended(Outcome.EXCHANGE, "no account")
    grants = await _under_known_name(scope, flow, found)
    try:
        return await settling.settle(scope, registration, flow.connection_id, grants)
    except WrongAccount as wrong:
        raise _Ended(Outcome.WRONG_ACCOUNT, str(wrong)) from wrong
    except ConnectionNotFound as gone:
        raise _Ended(Outcome.GONE) from gone


async def _granted(
    registration: Registration,
    answer: Callback,
    client: ApiClient,
    clock: Clock,
    asked_at: Mapping[str, str] | None = None,
) -> Sequence[Granted]:
    """What the code brings, with its ends by our clock; each account keeps the place that it was asked at."""
    place = asked_at or {}
    app = located(registration, place)

    async def send(by: Clock) -> Sequence[Granted]:
        return await registration.connector.exchange(app, answer, client, by)

    grants, ahead = await far_time.asked(registration.connector, clock, send)
    return [Granted(placing.placed(grant.account, place), far_time.by_ours(grant.tokens, ahead)) for grant in grants]


async def _under_known_name(scope: Scope, flow: Flow, grants: Sequence[Granted]) -> Sequence[Granted]:
    """An account that the far side does not name has a name of ours, which it keeps when it is connected again."""
    async with scope.tx() as tx:
        start = await connections.by_id(tx, flow.connection_id)
    known = start.account_id if start is not None else None
    alone = grants[0].account if len(grants) == 1 else None
    if known is None or alone is None or not alone.id.startswith(OWN_NAME) or not known.startswith(OWN_NAME):
        return grants
    return [replace(grants[0], account=replace(alone, id=known))]


async def _connected(scope: Scope, flow: Flow, settled: Settled) -> Ending:
    if settled.primary is None:
        raise _Ended(Outcome.REVIEW)
    fields = {"status": "connected", "connectionId": settled.primary}
    return await _return(scope, flow, fields, Ending(said="done"))


async def _failed(scope: Scope, flow: Flow, ended: _Ended) -> Ending:
    await _note(scope, flow, ended)
    outcome = ended.outcome.value
    page = Ending(said="failed", outcome=outcome, status=HTTPStatus.BAD_REQUEST)
    return await _return(scope, flow, {"status": "failed", "error": outcome}, page)


async def _note(scope: Scope, flow: Flow, ended: _Ended) -> None:
    async with scope.tx() as tx:
        named = ended.outcome is Outcome.WRONG_ACCOUNT and await owning.is_personal(tx, flow.connection_id)
        body = {"error": ended.outcome.value, "reason": None if named else ended.detail}
        tx.emit(events.ConsentFailed(subject=flow.connection_id, body=body))


async def _return(scope: Scope, flow: Flow, fields: Mapping[str, str], page: Ending) -> Ending:
    """To the return address, which is judged again now; else to a page of our own (OA-11)."""
    if flow.return_url is None:
        return page
    try:
        address = returns.check(flow.return_url, await starting.allowed_origins(scope))
    except ValueError:
        return replace(page, unreturnable=True)
    return Ending(location=Secret(returns.answer(address, fields)))
