"""Sources: made, looked at, given new addresses and secrets, removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from isthmus.connect.webhooks import Webhooks
from isthmus.engine.db import Tx as SystemTx
from isthmus.features import catalog, connections, vault
from isthmus.features.webhooks_in.errors import PushesNothing, SourceChangedMeanwhile, SourceNotFound, TooManySources
from isthmus.features.webhooks_in.events import SourceAdded, SourceChanged, SourceRemoved, SourceRotated
from isthmus.features.webhooks_in.model import deliveries, expressions
from isthmus.features.webhooks_in.model.deliveries import Purpose, Source
from isthmus.features.webhooks_in.model.verifying import usable
from isthmus.features.webhooks_in.service import finding
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import sources as store
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

_EXPRESSIONS = ("filter", "transform")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new source is to be."""

    provider: str
    name: str = ""
    connection_id: str | None = None
    secret: Secret | None = None
    app: Mapping[str, str] | None = None
    filter: str | None = None
    transform: str | None = None
    #: What the platform shows to prove the address, where that is another secret than the one it signs with.
    verify_token: Secret | None = None
    #: It may bring what is read from a queue instead of what is pushed.
    pulled: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A source with what may be shown of its addresses and secrets."""

    source: Source
    addresses: Sequence[Mapping[str, Any]]
    secrets: Sequence[Mapping[str, Any]]
    received: int
    repeated: int
    last_at: datetime | None
    setup: str
    #: What the provider is to be asked to push.
    topics: Sequence[str]
    #: The whole address, in the answer that made it and never again (WH-05).
    url: Secret | None = None


def check_expressions(given: Mapping[str, Any]) -> None:
    """Raise Invalid for a filter or a transformation that is no JMESPath."""
    for field in _EXPRESSIONS:
        try:
            expressions.check(given.get(field) or "@")
        except expressions.ExpressionFailed as failure:
            raise Invalid.field(field, str(failure)) from None


async def add(scope: Scope, wanted: Wanted) -> Seen:
    """Make a source. Without a secret the app registration's own counts, where the provider has one.

    Raises ProviderNotFound, PlanRequired, PushesNothing, Invalid, ConnectionNotFound, TooManySources.
    """
    check_expressions({"filter": wanted.filter, "transform": wanted.transform})
    await _admit(scope, wanted)
    manifest = (await catalog.found(scope, wanted.provider)).manifest
    if manifest.webhooks is None or not (manifest.webhooks.signatures or wanted.pulled):
        raise PushesNothing
    uses_app = wanted.secret is None and bool(manifest.webhooks.secret_field)
    held = bool(manifest.webhooks.connection_field) and wanted.connection_id is not None
    if wanted.secret is None and not (uses_app or wanted.pulled or held):
        raise Invalid.field("secret", "This provider signs with a secret of its own; enter it here.")
    if wanted.secret is not None:
        _check_secret(manifest.webhooks, wanted.secret)
    _check_verify_token(manifest.webhooks, wanted.verify_token)
    app = await _app(scope, manifest.webhooks, wanted)
    made = Source(
        scope.id("src"), wanted.provider, wanted.name or manifest.name, wanted.connection_id, uses_app, app,
        paused=False, filter=wanted.filter, transform=wanted.transform, first_verified_at=None, version=1,
        created_at=scope.now, updated_at=scope.now,
    )  # fmt: skip
    token = ids.token(deliveries.TOKEN_BITS)
    async with scope.tx() as tx:
        most = scope.part(Settings).sources
        if await store.count(tx, scope.tenant_id) >= most:
            raise TooManySources(details={"limit": most})
        await store.insert_source(tx, scope.tenant_id, made)
        if wanted.secret is not None:
            await _put_secret(scope, tx, made.id, wanted.secret, Purpose.SIGNATURE)
        if wanted.verify_token is not None:
            await _put_secret(scope, tx, made.id, wanted.verify_token, Purpose.VERIFY_TOKEN)
        tx.emit(SourceAdded(subject=made.id, after={"provider": made.provider, "name": made.name}))
    await _put_token(scope, made.id, token, until=None)
    return await _seen(scope, made, Secret(finding.address(System(scope.engine, scope.clock), token)))


async def _admit(scope: Scope, wanted: Wanted) -> None:
    """Whether the provider, and the connection that it is for, are there for the tenant to use."""
    if wanted.connection_id is None:
        await catalog.told_provider(scope, wanted.provider)
        await catalog.admit_further(scope, wanted.provider)
        return
    connection = await connections.connection(scope, wanted.connection_id)
    if connection.provider != wanted.provider:
        raise Invalid.field("connectionId", "This connection is one to another provider.")
    if connection.owner_id is not None:
        raise Invalid.field("connectionId", "One person connected it alone; what it pushes would be everybody's.")
    await catalog.admit_further(scope, wanted.provider)


async def _app(scope: Scope, scheme: Webhooks, wanted: Wanted) -> dict[str, str]:
    """What is known of the app beside its secret. Raises Invalid where something that is signed is missing."""
    for name in wanted.app or {}:
        if name not in scheme.app_fields:
            there = f"There are: {', '.join(scheme.app_fields)}." if scheme.app_fields else "This provider has none."
            raise Invalid.field("app", f"There is no such field of the app. {there}")
    given = {name: value for name, value in (wanted.app or {}).items() if value}
    missing = [name for name in scheme.app_fields if name not in given]
    if missing and wanted.secret is not None and not await _registered(scope, scheme, wanted.provider):
        raise Invalid.field("app", f"What this provider signs holds the app's {', '.join(missing)}; enter it here.")
    return given


async def _registered(scope: Scope, scheme: Webhooks, provider: str) -> bool:
    """Whether the app's own registration says the rest."""
    if not scheme.secret_field:
        return False
    try:
        await catalog.registration(scope, provider)
    except (catalog.AppMissing, catalog.ProviderNotConnectable):
        return False
    return True


def _check_secret(scheme: Webhooks, secret: Secret) -> None:
    """Raise Invalid for a secret with which nothing could ever be believed."""
    if not usable(scheme, secret):
        raise Invalid.field("secret", f"No delivery of this provider could fit this secret. {scheme.setup}".rstrip())


def _check_verify_token(scheme: Webhooks, given: Secret | None) -> None:
    """Raise Invalid for a token that nobody would ever show."""
    if given is None:
        return
    if not any(one.proof for one in scheme.challenges):
        raise Invalid.field("verifyToken", "This provider shows no such token when it proves an address.")
    if not given.reveal().strip():
        raise Invalid.field("verifyToken", "A token of blanks would be no proof.")


async def _put_secret(scope: Scope, tx: Tx, source_id: str, secret: Secret, purpose: Purpose) -> None:
    id_ = scope.id("whs")
    sealed = await vault.seal(scope, tx, secret, owner=source_id, field=finding.secret_field(id_))
    await store.insert_secret(tx, (scope.tenant_id, source_id), id_, sealed, purpose, scope.now)


async def _put_token(scope: Scope, source_id: str, token: str, until: datetime | None) -> None:
    """Tokens span tenants: the intake looks one up before it knows whose it is."""
    async with System(scope.engine, scope.clock).tx() as tx:
        if until is not None:
            await store.expire_tokens(tx, scope.tenant_id, source_id, until)
            await _tell(scope, tx, source_id)
        hashed = deliveries.token_hash(token)
        await store.insert_token(tx, scope.tenant_id, source_id, hashed, token[:6], scope.now)


async def sources(scope: Scope, ask: Ask) -> Page[Seen]:
    """The tenant's sources, oldest first."""
    async with scope.tx() as tx:
        page = await store.sources(tx, scope.tenant_id, ask)
    items = [await _seen(scope, one) for one in page.items]
    return Page(items, page.next_after, has_more=page.has_more)


async def sources_of(scope: Scope, connection_id: str) -> list[Seen]:
    """A connection's own sources, oldest first. Raises ConnectionNotFound."""
    await connections.connection(scope, connection_id)
    async with scope.tx() as tx:
        found = await store.sources_of(tx, scope.tenant_id, connection_id)
    return [await _seen(scope, one) for one in found]


async def source(scope: Scope, source_id: str) -> Seen:
    """One source. Raises SourceNotFound."""
    return await _seen(scope, await own(scope, source_id))


async def own(scope: Scope, source_id: str) -> Source:
    """The row of one source. Raises SourceNotFound."""
    async with scope.tx() as tx:
        found = await store.source(tx, scope.tenant_id, source_id)
    if found is None:
        raise SourceNotFound
    return found


async def _seen(scope: Scope, one: Source, url: Secret | None = None) -> Seen:
    async with scope.tx() as tx:
        secrets = await store.secrets(tx, scope.tenant_id, one.id)
        counts = (await store.counts(tx, scope.tenant_id, [one.id])).get(one.id, {})
    async with System(scope.engine, scope.clock).tx() as tx:
        hints = await store.hints(tx, scope.tenant_id, [one.id])
    webhooks = (await catalog.found(scope, one.provider)).manifest.webhooks
    return Seen(
        one,
        [dict(row) for row in hints],
        [{name: row[name] for name in ("id", "purpose", "expires_at", "created_at")} for row in secrets],
        counts.get("wanted", 0),
        counts.get("repeats", 0),
        counts.get("last_at"),
        webhooks.setup if webhooks else "",
        (webhooks.topics or [one.topic for one in webhooks.hints]) if webhooks else (),
        url,
    )


async def change(scope: Scope, source_id: str, changes: Mapping[str, Any]) -> Seen:
    """Change what is named of name, paused, filter and transform.

    Raises SourceNotFound, Invalid, SourceChangedMeanwhile.
    """
    check_expressions(changes)
    given = {name: value for name, value in changes.items() if value is not None or name in _EXPRESSIONS}
    async with scope.tx() as tx:
        found = await store.source(tx, scope.tenant_id, source_id, locked=True)
        if found is None:
            raise SourceNotFound
        before = {name: getattr(found, name) for name in ("name", "paused", *_EXPRESSIONS)}
        values = before | given
        if values != before:
            scope.check_seen(found.etag, SourceChangedMeanwhile)
        changed = await store.update_source(tx, scope.tenant_id, source_id, scope.now, values)
        if changed is None:
            raise SourceNotFound
        await _tell(scope, tx, source_id)
        tx.emit(SourceChanged(subject=source_id, before=before, after=values))
    return await _seen(scope, changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What a source is to get anew; `overlap` says for how long the old ones count, None: as the settings say."""

    token: bool = False
    secret: Secret | None = None
    verify_token: Secret | None = None
    overlap: timedelta | None = None

    @property
    def secrets(self) -> Mapping[Purpose, Secret]:
        """The new secrets by what they are for."""
        given = {Purpose.SIGNATURE: self.secret, Purpose.VERIFY_TOKEN: self.verify_token}
        return {purpose: secret for purpose, secret in given.items() if secret is not None}


async def rotate(scope: Scope, source_id: str, fresh: Fresh) -> Seen:
    """Give a source a new address, new secrets, or both; a zero overlap ends the old ones at once.

    What is not given anew stays as it is. Raises SourceNotFound, PushesNothing, Invalid.
    """
    found = await own(scope, source_id)
    if not fresh.token and not fresh.secrets:
        raise Invalid.field("secret", "Give a new secret, or ask for a new address with `address`.")
    if fresh.secrets:
        scheme = (await catalog.found(scope, found.provider)).manifest.webhooks
        if scheme is None:
            raise PushesNothing
        if fresh.secret is not None:
            _check_secret(scheme, fresh.secret)
        _check_verify_token(scheme, fresh.verify_token)
    until = scope.now + (scope.part(Settings).overlap if fresh.overlap is None else fresh.overlap)
    async with scope.tx() as tx:
        for purpose, secret in fresh.secrets.items():
            await store.expire_secrets(tx, scope.tenant_id, source_id, purpose, until)
            await _put_secret(scope, tx, source_id, secret, purpose)
        await _tell(scope, tx, source_id)
        given = {"secret": fresh.secret is not None, "verifyToken": fresh.verify_token is not None}
        tx.emit(SourceRotated(subject=source_id, after={"address": fresh.token, **given}))
    if not fresh.token:
        return await _seen(scope, found)
    token = ids.token(deliveries.TOKEN_BITS)
    await _put_token(scope, source_id, token, until)
    return await _seen(scope, found, Secret(finding.address(System(scope.engine, scope.clock), token)))


async def remove(scope: Scope, source_id: str) -> None:
    """Remove a source; what it brought stays in the log. Raises SourceNotFound."""
    async with scope.tx() as tx:
        found = await store.source(tx, scope.tenant_id, source_id)
        if found is None or not await store.delete_source(tx, scope.tenant_id, source_id):
            raise SourceNotFound
        await _tell(scope, tx, source_id)
        tx.emit(SourceRemoved(subject=source_id, before={"provider": found.provider, "name": found.name}))


async def _tell(scope: Scope, tx: SystemTx, source_id: str) -> None:
    """Have every process look anew, once this is committed."""
    await scope.engine.bus.tell(tx, finding.CHANGED, finding.named(scope.tenant_id, source_id))


async def reseal(  # house: silent - the secrets stay what they are
    scope: Scope, after: str | None, limit: int
) -> str | None:
    """Seal some secrets anew under the tenant's current data key (VA-09)."""
    async with scope.tx() as tx:
        rows = await store.to_reseal(tx, scope.tenant_id, after, limit)
        for row in rows:
            place = {"owner": row["source_id"], "field": finding.secret_field(row["id"])}
            sealed = await vault.reseal(scope, tx, row["sealed"], **place)
            if sealed is not None:
                await store.update_sealed(tx, scope.tenant_id, row["id"], row["sealed"], sealed)
    return str(rows[-1]["id"]) if len(rows) == limit else None
