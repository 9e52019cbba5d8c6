"""A connector that lives in a process of its own, as the platform sees it: the whole contract but for secrets.

Signing in, tokens and signatures are made here, of the manifest's facts alone (`connect.declarative`): nothing that the
process could keep is ever sent to it.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from isthmus.client import ApiClient, Failure, Request, Response, Tokens
from isthmus.connect.acting import Action
from isthmus.connect.apart import wire
from isthmus.connect.apart.cell import Cell
from isthmus.connect.apart.errors import Crashed, Unready
from isthmus.connect.apart.frames import Ready
from isthmus.connect.apart.talk import borne, hidden
from isthmus.connect.apart.wire import Function, Place
from isthmus.connect.declarative import Declared, connector_of
from isthmus.connect.manifest import Manifest
from isthmus.connect.record import Record
from isthmus.connect.shapes import Listing, Order
from isthmus.connect.spi import (
    Account,
    App,
    Callback,
    Connector,
    Consent,
    FoundRecord,
    Granted,
    RawRecord,
    RecordPage,
    SearchFor,
    Session,
    Window,
)
from isthmus.connect.writing import Edit, Outcome
from isthmus.kit.clock import Clock

T = TypeVar("T")
#: Shorter ones would be found in texts that mean something else.
_SHORTEST_SECRET: Final = 8
#: Set while an answer belongs to signing in: such answers hold tokens, and are judged here.
_signing_in: ContextVar[bool] = ContextVar("isthmus_signing_in", default=False)


class Away:
    """The part of the contract that every connector has."""

    def __init__(self, manifest: Manifest, cell: Cell, facts: Declared) -> None:
        self.manifest = manifest
        self._cell, self._facts = cell, facts
        service = manifest.service
        self._added = {one.name for one in service.attach if one.place == "query"} if service is not None else set()
        fields = (*manifest.app_fields, *manifest.credential_fields)
        self._secrets = {one.name for one in fields if one.secret}

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:
        """By the facts."""
        return self._facts.consent_url(app, consent, now)

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """By the facts."""
        return self._facts.read_callback(query, redirect_uri)

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """By the facts."""
        before = _signing_in.set(True)
        try:
            return await self._facts.exchange(app, callback, client, clock)
        finally:
            _signing_in.reset(before)

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:
        """By the facts."""
        before = _signing_in.set(True)
        try:
            return await self._facts.refresh(app, account, tokens, client, clock)
        finally:
            _signing_in.reset(before)

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:
        """By the facts."""
        before = _signing_in.set(True)
        try:
            return await self._facts.revoke(app, account, tokens, client, clock)
        finally:
            _signing_in.reset(before)

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:
        """By the facts; what it bears is remembered, so that no answer gives it to the connector."""
        held = [secret for name, secret in app.credentials.items() if name in self._secrets]
        held += [one for one in (tokens.access_token, tokens.refresh_token) if one is not None]
        texts = {one.reveal() for one in held}
        borne.set(tuple(one.encode() for one in texts if len(one) >= _SHORTEST_SECRET))
        return self._facts.attach(app, account, request, tokens, now)

    def classify(self, response: Response) -> Failure | None:
        """The connector's judgement, but of answers that hold tokens."""
        if _signing_in.get():
            return self._facts.classify(response)
        method, url = self._unsigned(response.request)
        answer = wire.sent_answer(response, method, url, hidden)
        try:
            return wire.failure_of(self._cell.compute(wire.CLASSIFY, answer))
        except Crashed as error:
            # there is an answer, so the request took effect or did not: it must not look as if it had never left
            error.sent, error.retry_safe = True, False
            raise

    def _unsigned(self, request: Request | None) -> tuple[str, str]:
        if request is None:
            return "GET", ""
        known = request.url.pairs() if self._added else ()
        if not any(name in self._added for name, _ in known):
            return request.method, str(request.url)
        kept = urlencode([(name, value) for name, value in known if name not in self._added])
        return request.method, str(request.url.with_query(kept))

    async def test(self, session: Session) -> Account:
        """The connector's."""
        return await self._call(wire.TEST, session)

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """The connector's."""
        return await self._call(wire.PULL_LISTINGS, session, window, cursor)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        """The connector's."""
        return self._cell.compute(wire.MAP_LISTING, record, account)

    async def _call(self, function: Function[T], session: Session, *arguments: object) -> T:
        place = Place(dict(session.app_hosts), session.account)
        return await self._cell.call(function, (place, *arguments), session)


class _Orders(Away):
    async def pull_orders(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        return await self._call(wire.PULL_ORDERS, session, window, cursor)

    def map_order(self, record: RawRecord, account: Account) -> Order:
        return self._cell.compute(wire.MAP_ORDER, record, account)


class _One(Away):
    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        return await self._call(wire.FETCH, session, entity, external_id)


class _Entities(Away):
    async def pull(self, session: Session, entity: str, window: Window, cursor: str | None) -> RecordPage:
        return await self._call(wire.PULL, session, entity, window, cursor)

    def map(self, entity: str, record: RawRecord, account: Account) -> Record:
        return wire.record_of(self._cell.compute(wire.MAP, entity, record, account))


class _Search(Away):
    search_filters: frozenset[str]

    async def search(self, session: Session, wanted: SearchFor) -> Sequence[FoundRecord]:
        return await self._call(wire.SEARCH, session, wanted)


class _Writes(Away):
    def batches(self, edits: Sequence[Edit], account: Account) -> Sequence[Sequence[Edit]]:
        """Raises KeyError for a batch with an edit that nobody gave."""
        known = {edit.key: edit for edit in edits}
        parted = self._cell.compute(wire.BATCHES, [wire.sent_edit(edit) for edit in edits], account)
        return [[known[key] for key in batch] for batch in parted]

    async def write(self, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
        return await self._call(wire.WRITE, session, [wire.sent_edit(edit) for edit in batch])


class _Acts(Away):
    def check(self, action: Action) -> str:
        return self._cell.compute(wire.CHECK, action)

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        return await self._call(wire.ACT, session, action)

    def shows(self, action: Action, order: Order) -> bool | None:
        return self._cell.compute(wire.SHOWS, action, order)


#: What a connector has beside the least, by the functions that say so.
_PARTS: Final[tuple[tuple[type[Away], frozenset[str]], ...]] = (
    (_Orders, frozenset({"pull_orders", "map_order"})),
    (_One, frozenset({"fetch"})),
    (_Entities, frozenset({"pull", "map"})),
    (_Search, frozenset({"search"})),
    (_Writes, frozenset({"batches", "write"})),
    (_Acts, frozenset({"check", "act", "shows"})),
)


def facts_of(manifest: Manifest) -> Declared:
    """Who signs in for a connector that is kept apart. Raises Unready where no facts say how."""
    facts = connector_of(manifest) or (Declared(manifest) if manifest.auth == "none" else None)
    if facts is None:
        raise Unready(
            f"The connector {manifest.id!r} cannot run in a process of its own: it signs by code, which would need the "
            "keys. Its manifest has to say in [service] how credentials are attached."
        )
    return facts


def away(manifest: Manifest, cell: Cell, facts: Declared, ready: Ready) -> Connector:
    """The connector in that process, with all its abilities that need no secret."""
    able = frozenset(ready.abilities)
    bases = tuple(part for part, functions in _PARTS if functions <= able)
    members: dict[str, Any] = {"search_filters": frozenset(ready.filters)} if _Search in bases else {}
    made: Connector = type("Apart", bases or (Away,), members)(manifest, cell, facts)
    return made
