"""The connector that acts on a manifest's facts alone; its far side may be anything, so little is believed."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote, urlencode

import msgspec

from isthmus.client import (
    ApiClient,
    CallOptions,
    Failure,
    PlatformError,
    RefreshFailed,
    RefreshRefused,
    Request,
    Response,
    TokenRejected,
    Tokens,
)
from isthmus.client.errors import MalformedBody, Missing
from isthmus.client.url import Scalar
from isthmus.connect import granting, reading
from isthmus.connect.declarative import fields, pages, verdicts
from isthmus.connect.declarative.fields import Mapper
from isthmus.connect.expressions import find, items
from isthmus.connect.manifest import Entity, Manifest, OAuth
from isthmus.connect.record import Record
from isthmus.connect.service import Endpoint, Service, Verify, names_in
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import (
    Account,
    App,
    Callback,
    Consent,
    FoundRecord,
    Granted,
    RawRecord,
    RecordPage,
    SearchFor,
    Session,
    Unmappable,
    Window,
)
from isthmus.kit import ids
from isthmus.kit.clock import Clock

_NO_ACCOUNT_BITS = 96
_SNIPPET = 200
#: How the names of our own begin.
OWN_NAME = "own-"
_NAME = re.compile(r"\{([a-z0-9_]+)\}")


class Declared:
    """A provider by its facts. One instance serves every tenant; nothing is kept between calls."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._service = manifest.service or Service()
        mappings = {one.entity: one for one in manifest.mappings}
        self._mappers = {
            entity.name: Mapper.of(entity.name, entity.shard_type, mappings.get(entity.name))
            for entity in manifest.entities
        }

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:  # noqa: ARG002 - the link carries no time
        """The standard authorization request (RFC 6749 section 4.1.1), with PKCE where the facts ask for it."""
        oauth = self._oauth()
        query = {
            "response_type": "code",
            "client_id": self._client_id(app),
            "redirect_uri": consent.redirect_uri,
            "state": consent.state,
            **oauth.authorize_params,
        }
        if oauth.scopes:
            query["scope"] = oauth.scope_separator.join(oauth.scopes)
        if consent.challenge:
            query |= {"code_challenge": consent.challenge, "code_challenge_method": "S256"}
        return f"{app.hosts['consent']}?{urlencode(query)}"

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """`code`, or `error` after a refusal."""
        return granting.callback(query, redirect_uri)

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """One code, one account: the verification call says whose it is."""
        form = {
            "grant_type": "authorization_code",
            "code": callback.code.reveal(),
            "redirect_uri": callback.redirect_uri,
        }
        if callback.verifier:
            form["code_verifier"] = callback.verifier.reveal()
        answer = await self._token(app, form, client, app.hosts["token"])
        tokens = granting.tokens(answer, clock.now())
        extra = self._variables(answer)
        account = await self._owner(app, tokens, client, extra)
        return [Granted(account, tokens)]

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:  # noqa: ARG002
        """The refresh token for the next pair; one that is not answered with a new one stays as it is."""
        if self.manifest.trades_keys:
            return await self._traded(app, client, clock)
        if tokens.refresh_token is None:
            raise RefreshRefused("the grant holds no refresh token")
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token.reveal()}
        try:
            answer = await self._token(app, form, client, app.hosts.get("refresh") or app.hosts["token"])
        except PlatformError as error:
            if error.code in verdicts.DEAD:
                raise RefreshRefused(f"{error.message} ({error.code})") from error
            raise RefreshFailed(str(error)) from error
        fresh = granting.tokens(answer, clock.now())
        if fresh.refresh_token is not None:
            return fresh
        return Tokens(
            fresh.access_token, tokens.refresh_token, fresh.expires_at, tokens.refresh_expires_at, fresh.scope
        )

    async def _traded(self, app: App, client: ApiClient, clock: Clock) -> Tokens:
        """A token for a client id and its secret (RFC 6749 section 4.4), asked for anew each time one ends."""
        oauth = self._oauth()
        form = {**oauth.authorize_params, "grant_type": "client_credentials"}
        if oauth.scopes:
            form["scope"] = oauth.scope_separator.join(oauth.scopes)
        try:
            answer = await self._token(app, form, client, app.hosts["token"])
        except PlatformError as error:
            if isinstance(error, TokenRejected) or error.code in verdicts.UNKNOWN_CLIENT:
                raise RefreshRefused(f"the platform does not take these credentials ({error.code})") from error
            raise
        # a refresh token has no place here (section 4.4.3): the keys themselves give the next one
        return replace(granting.tokens(answer, clock.now()), refresh_token=None)

    async def _token(self, app: App, form: dict[str, str], client: ApiClient, address: str) -> Response:
        oauth, headers = self._oauth(), {"Accept": "application/json"}
        name, secret = (
            self._client_id(app),
            app.secret("client_secret") if "client_secret" in app.credentials else "",
        )
        if oauth.client_auth == "basic":
            headers["Authorization"] = f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}"
        else:
            form |= {"client_id": name} | ({"client_secret": secret} if secret else {})
        if oauth.body_format == "json":
            return await client.post(address, json=form, headers=headers)
        return await client.post(address, form=form, headers=headers)

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:  # noqa: ARG002
        """RFC 7009, where the facts name an address for it."""
        if "revoke" not in app.hosts:
            return False
        held = tokens.refresh_token or tokens.access_token
        await self._token(app, {"token": held.reveal()}, client, app.hosts["revoke"])
        return True

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:  # noqa: ARG002
        """Credentials where the facts want them."""
        headers, query = self._credentials(app, tokens, account)
        signed = request.with_headers(headers)
        return signed.with_query(query) if query else signed

    def _credentials(self, app: App, tokens: Tokens, account: Account) -> tuple[dict[str, str], dict[str, Scalar]]:
        known = {"client_id": self._oauth().client_id}
        known |= {name: secret.reveal() for name, secret in app.credentials.items()}
        known |= {"access_token": tokens.access_token.reveal(), "account": account.id}
        headers, query = dict(self._service.headers), dict[str, Scalar]()
        for one in self._service.attach:
            parts = names_in(one.value)
            if parts and not any(known.get(name) for name in parts):
                continue  # it is for another way of signing in, or was not asked for
            value = _filled(one.value, known)
            if one.place == "query":
                query[one.name] = value
            elif one.place == "basic":
                headers["Authorization"] = f"Basic {b64encode(value.encode()).decode()}"
            else:
                headers[one.name] = value
        return headers, query

    def classify(self, response: Response) -> Failure | None:
        """By what the facts say of failures, and else by HTTP status and OAuth's codes."""
        return verdicts.verdict(self._service, response)

    async def test(self, session: Session) -> Account:
        """The verification call, and whose account it shows; an account that was known stays the same."""
        verify = self._service.verify
        if verify is None:
            return _known(session.account)
        method, asked = _asking(verify)
        answer = await session.client.request(method, _address(session.app_hosts, verify.host, verify.path), **asked)
        return _account(verify, answer, session.account)

    async def _owner(self, app: App, tokens: Tokens, client: ApiClient, extra: Mapping[str, str]) -> Account:
        verify, unknown = self._service.verify, Account(self._place(app), extra=extra)
        base = app.hosts.get(verify.host, "") if verify else ""
        if verify is None or names_in(base):
            return _known(unknown)
        headers, query = self._credentials(app, tokens, unknown)
        method, asked = _asking(verify)
        asked |= {"headers": headers, "query": query}
        answer = await client.request(method, base + verify.path, **asked)
        return _account(verify, answer, unknown)

    def _place(self, app: App) -> str:
        """Whose address it is, where each account has one of its own that it was asked for; empty elsewhere."""
        own = names_in(self.manifest.hosts.get("api", ""))
        asked = {one.name for one in self.manifest.variables if one.source == "credential"}
        whose = not (self._service.verify and self._service.verify.account)
        return app.hosts["api"].partition("://")[2] if own and asked.issuperset(own) and whose else ""

    def _variables(self, answer: Response) -> dict[str, str]:
        wanted = [one.name for one in self.manifest.variables if one.source == "token"]
        body = verdicts.body(answer)
        found = {name: find(name, body) for name in wanted}
        return {name: str(value) for name, value in found.items() if isinstance(value, str | int)}

    def _client_id(self, app: App) -> str:
        """The app's, where it was set with its secret, else the provider's own."""
        return app.secret("client_id") if "client_id" in app.credentials else self._oauth().client_id

    def _oauth(self) -> OAuth:
        return self.manifest.oauth or OAuth()

    def _entity(self, name: str) -> tuple[Entity, Endpoint]:
        entity = self.manifest.entity(name)
        if entity is None or entity.endpoint is None:
            raise Unmappable(f"The provider has no way to read {name}.")
        return entity, entity.endpoint

    async def pull(self, session: Session, entity: str, window: Window, cursor: str | None) -> RecordPage:
        """One page of an entity. Calling again with the same cursor is safe. Raises Unmappable without an endpoint."""
        described, endpoint = self._entity(entity)
        paging = pages.of(endpoint.paging, described.page_size)
        step = pages.read(cursor) if cursor else paging.first()
        if step.url is not None:
            answer = await session.client.get(step.url)
        else:
            query = {**endpoint.query, **pages.since(endpoint, window), **step.query}
            address = _address(session.app_hosts, endpoint.host, endpoint.path)
            answer = await session.client.get(address, query=query)
        body = _required(answer)
        found = items(endpoint.items, body)
        following = paging.after(step, answer, found)
        mapper = self._mappers[entity]
        records = [RawRecord(_id(mapper, one), msgspec.json.encode(one)) for one in found]
        total = find(endpoint.paging.total, body) if endpoint.paging.total else None
        return RecordPage(records, pages.written(following), total if isinstance(total, int) else None)

    def map(self, entity: str, record: RawRecord, account: Account) -> Record:  # noqa: ARG002 - records name no account
        """Read one record (pure); raises Unmappable."""
        if entity not in self._mappers:
            raise Unmappable(f"The provider has no {entity}.")
        try:
            return self._mappers[entity].record(msgspec.json.decode(record.payload))
        except msgspec.DecodeError:
            raise Unmappable("The record is not valid JSON.") from None

    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        """One record; None where the far side has none. Raises LookupError for an entity without a path for it."""
        _, endpoint = self._entity(entity)
        if not endpoint.one:
            raise LookupError(entity)
        path = endpoint.one.replace("{id}", quote(external_id, safe=""))
        try:
            answer = await session.client.get(_address(session.app_hosts, endpoint.host, path))
        except Missing:
            return None
        found = items(endpoint.item, _required(answer))
        return RawRecord(external_id, msgspec.json.encode(found[0])) if found else None

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:  # noqa: ARG002
        """Its records have no listings' shape: it holds none."""
        return RecordPage([], None, 0)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:  # noqa: ARG002 - it reads none
        """Raises Unmappable: facts alone do not make a listing."""
        raise Unmappable("This provider's records are not listings.")


class Searching(Declared):
    """A declared provider with a search of its own for some of its entities."""

    search_filters: frozenset[str] = frozenset()

    async def search(self, session: Session, wanted: SearchFor) -> Sequence[FoundRecord]:
        """What the far side's own search finds; entities without one, and records that cannot be read, are left out."""
        found: list[FoundRecord] = []
        for entity in self.manifest.entities:
            known = entity.endpoint.search if entity.endpoint is not None else None
            if known is not None and (not wanted.entities or entity.name in wanted.entities):
                found += await self._found(session, entity, wanted)
        return found[: wanted.limit]

    async def _found(self, session: Session, entity: Entity, wanted: SearchFor) -> list[FoundRecord]:
        endpoint = entity.endpoint
        known = endpoint.search if endpoint is not None else None
        if endpoint is None or known is None:
            return []
        query: dict[str, Scalar] = {known.param: wanted.query}
        if known.size_param:
            query[known.size_param] = wanted.limit
        answer = await session.client.get(_address(session.app_hosts, endpoint.host, known.path), query=query)
        rows = items(known.items or endpoint.items, _required(answer))[: wanted.limit]
        records = [one for one in (self._readable(entity.name, row) for row in rows) if one is not None]
        return [
            FoundRecord(entity.name, one.external_id, one.title, _snippet(one), one.url, one.updated_at)
            for one in records
            if _within(one, wanted)
        ]

    def _readable(self, entity: str, value: object) -> Record | None:
        try:
            return self._mappers[entity].record(value)
        except Unmappable:
            return None


def connector_of(manifest: Manifest) -> Declared | None:
    """The behaviour that a manifest's facts give; None where they give none."""
    if manifest.service is None:
        return None
    searches = any(one.endpoint is not None and one.endpoint.search is not None for one in manifest.entities)
    return Searching(manifest) if searches else Declared(manifest)


def _within(record: Record, wanted: SearchFor) -> bool:
    moment = record.updated_at
    if moment is None:
        return wanted.since is None and wanted.until is None
    return (wanted.since is None or moment >= wanted.since) and (wanted.until is None or moment < wanted.until)


def _snippet(record: Record) -> str:
    texts = (value for value in record.body.values() if isinstance(value, str) and value != record.title)
    return reading.line(" - ".join(texts))[:_SNIPPET]


def _filled(template: str, known: Mapping[str, str]) -> str:
    """In one go: a value that looks like a name in braces stays what it is."""
    return _NAME.sub(lambda found: known.get(found[1], ""), template)


def _address(hosts: Mapping[str, str], host: str, path: str) -> str:
    return hosts.get(host, "") + path


def _required(response: Response) -> object:
    """The body. Raises MalformedBody."""
    return response.json()


def _known(account: Account) -> Account:
    """Where the far side does not say who we are, a connection gets a name of our own, which it keeps."""
    if account.id:
        return account
    return Account(OWN_NAME + ids.token(_NO_ACCOUNT_BITS), account.name, account.region, account.extra)


def _asking(verify: Verify) -> tuple[str, CallOptions]:
    return ("POST", {"json": {"query": verify.graphql}}) if verify.graphql else (verify.method, {})


def _account(verify: Verify, answer: Response, known: Account) -> Account:
    body = verdicts.body(answer)
    shown = verdicts.line(find(verify.name, body)) if verify.name else ""
    if not verify.account or known.id.startswith(OWN_NAME):
        kept = _known(known)
        return Account(kept.id, shown or kept.name, kept.region, kept.extra)
    found = find(verify.account, body)
    if isinstance(found, str | int) and not isinstance(found, bool) and str(found):
        return Account(reading.ident(found, "account"), shown, known.region, known.extra)
    raise MalformedBody("the answer names no account", reason="shape")


def _id(mapper: Mapper, value: object) -> str:
    try:
        return reading.ident(fields.changed(mapper.columns["id"], value), "id")
    except Unmappable:
        return ""
