"""What an operator makes of providers: new ones, changed facts, steps back; each step is kept with who made it.

What moves secrets or widens an audience raises SecondPersonNeeded unless a second person has agreed (SA-03).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from isthmus.connect.manifest import Manifest
from isthmus.features.catalog import store
from isthmus.features.catalog.errors import ProviderChangedMeanwhile, ProviderExists, ProviderNotFound, VersionNotFound
from isthmus.features.catalog.events import ProviderChanged, ProviderCreated, ProviderRemoved
from isthmus.features.catalog.model import definitions, document, history
from isthmus.features.catalog.model import providers as model
from isthmus.features.catalog.model.history import Difference, Version
from isthmus.features.catalog.model.proposals import Agreed
from isthmus.features.catalog.model.providers import Override, Provider
from isthmus.features.catalog.service.agreeing import agree, settle
from isthmus.features.catalog.service.providers import provider
from isthmus.features.catalog.service.shelf import Providers
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, Tx

_FAR = 2**62
Document = Mapping[str, Any]


def document_of(shown: Provider) -> dict[str, Any]:
    """The provider as a document that can be sent back, overrides included; no secret was ever in it."""
    plain = definitions.document_of(shown.manifest, shown.status, shown.audience)
    for wire, name in model.OVERRIDABLE.items():
        if name in shown.overridden:
            plain[wire] = getattr(shown, name)
    return plain


async def create_provider(scope: Scope, data: Document, agreed: Agreed | None = None) -> Provider:
    """A provider made of a document. Raises Invalid, ProviderExists, SecondPersonNeeded, ProposalStale."""
    wanted = document.new_provider(data)
    manifest, now = definitions.manifest_of(wanted), scope.now
    state = definitions.document_of(manifest, wanted.status, wanted.audience)
    await _check_free(scope, wanted.provider)
    told = await agree(scope, {}, state, agreed)
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        await settle(scope, tx, agreed)
        old = await store.override(tx, wanted.provider)
        if scope.part(Providers).is_own(wanted.provider) or (old is not None and not old.removed):
            raise ProviderExists(details={"provider": wanted.provider})
        row = Override(
            id=wanted.provider,
            status=wanted.status,
            audience=wanted.audience,
            fields={},
            version=await _next(tx, wanted.provider, old),
            updated_at=now,
            declared=True,
            created_at=now,
        )
        await _put(scope, tx, row, manifest, ("created", state))
        tx.emit(ProviderCreated(subject=row.id, after=state, body=told))
    return await provider(scope, row.id, hidden=True)


async def _check_free(scope: Scope, slug: str) -> None:
    """Nobody is asked to agree to what cannot be made. Raises ProviderExists."""
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        old = await store.override(tx, slug)
    if scope.part(Providers).is_own(slug) or (old is not None and not old.removed):
        raise ProviderExists(details={"provider": slug})


async def change_provider(
    scope: Scope,
    slug: str,
    *,
    status: str | None = None,
    audience: str | None = None,
    fields: Mapping[str, object] | None = None,
    agreed: Agreed | None = None,
) -> Provider:
    """Lay these facts over the provider's; what is not given stays. Raises ProviderNotFound, Invalid, and conflicts.

    `fields` are by our own names; a document's changes go through `patch_provider`.
    """
    _check_states(status, audience)
    given = model.read_override(fields or {})
    shown = await provider(scope, slug, hidden=True)
    wire = {name: given[own] for name, own in model.OVERRIDABLE.items() if own in given}
    states = {name: value for name, value in (("status", status), ("audience", audience)) if value is not None}
    return await _changed(scope, shown, {**wire, **states}, "changed", agreed)


def _check_states(status: str | None, audience: str | None) -> None:
    if status is not None and status not in model.STATUSES:
        raise Invalid.field("status", f"One of {', '.join(model.STATUSES)}.")
    if audience is not None and audience not in model.AUDIENCES:
        raise Invalid.field("audience", f"One of {', '.join(model.AUDIENCES)}.")


async def patch_provider(
    scope: Scope, slug: str, changes: Document, *, revision: int | None = None, agreed: Agreed | None = None
) -> Provider:
    """Merge these fields of the document into the provider's.

    Read-only fields that say what is stored are ignored. Raises ProviderNotFound, Invalid naming every wrong field,
    ProviderChangedMeanwhile where `revision` is not the stored one, SecondPersonNeeded, ProposalStale.
    """
    shown = await provider(scope, slug, hidden=True)
    if revision is not None and revision != shown.version:
        raise _conflict(slug, shown.version)
    return await _changed(scope, shown, _writable(shown, changes), "changed", agreed)


#: What a reading tells that is no fact of the provider: it may have changed since, whatever it said.
_OF_OTHERS = frozenset({"appReady"})


def _writable(shown: Provider, changes: Document) -> dict[str, Any]:
    seen = {
        "id": shown.id,
        "provider": shown.id,
        "overridden": list(shown.overridden),
        "included": True,
        "document": document_of(shown),
        "overriddenFields": list(shown.overridden_fields),
        "connectable": shown.connectable,
        "origin": "declared" if shown.declared else "shipped",
        "createdAt": shown.since.isoformat().replace("+00:00", "Z"),
        "updatedAt": shown.updated_at.isoformat().replace("+00:00", "Z"),
    }
    wrong = [name for name, value in changes.items() if name in seen and value != seen[name]]
    if wrong:
        said = [{"path": name, "message": "This field is read-only."} for name in wrong]
        raise Invalid("Some fields cannot be changed.", details={"fields": said})
    return {name: value for name, value in changes.items() if name not in seen and name not in _OF_OTHERS}


def check_changes(shown: Provider, changes: Document) -> None:
    """Raise what `patch_provider` would for these fields of a provider that came as a folder; nothing is written."""
    before = document_of(shown)
    _overridden(shown, before, {name: value for name, value in changes.items() if before.get(name) != value})


async def _changed(scope: Scope, shown: Provider, changes: Document, action: str, agreed: Agreed | None) -> Provider:
    before = document_of(shown)
    news = {name: value for name, value in changes.items() if before.get(name) != value}
    if not news:
        return shown
    # the version that was looked at is held against the stored one in the transaction
    scope.check_seen(shown.etag, ProviderChangedMeanwhile)
    row, manifest, after = _declared(shown, before | news) if shown.declared else _overridden(shown, before, news)
    told = await agree(scope, before, after, agreed)
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        await settle(scope, tx, agreed)
        old = await store.override(tx, shown.id)
        if (old.version if old else 0) != shown.version:
            raise _conflict(shown.id, old.version if old else 0)
        fresh = replace(row, version=await _next(tx, shown.id, old), updated_at=scope.now)
        state = after if shown.declared else fresh.state
        await _put(scope, tx, fresh, manifest, (action, state))
        told_before = before if shown.declared else (model.told(old.state) if old else None)
        tx.emit(ProviderChanged(subject=shown.id, before=told_before, after=model.told(state), body=told))
    return await provider(scope, shown.id, hidden=True)


def _declared(shown: Provider, merged: Document) -> tuple[Override, Manifest | None, Document]:
    kept = {name: value for name, value in merged.items() if value is not None}
    wanted = document.new_provider(kept)
    manifest = definitions.manifest_of(wanted)
    row = Override(
        shown.id, wanted.status, wanted.audience, {}, 0, shown.updated_at, declared=True, created_at=shown.since
    )
    return row, manifest, definitions.document_of(manifest, wanted.status, wanted.audience)


def _overridden(shown: Provider, before: Document, news: Document) -> tuple[Override, Manifest | None, Document]:
    """An override row of a provider that came as a folder: what its code lives by cannot be changed."""
    states = ("status", "audience")
    wrong = [name for name in news if name not in model.OVERRIDABLE and name not in states]
    if wrong:
        message = "This field belongs to the provider's folder and cannot be overridden."
        said = [{"path": name, "message": message} for name in wrong]
        raise Invalid("Some fields cannot be changed.", details={"fields": said})
    wire = model.OVERRIDABLE
    own = {wire[name]: value for name, value in before.items() if name in wire and wire[name] in shown.overridden}
    given = {wire[name]: value for name, value in news.items() if name in wire}
    fields = {name: value for name, value in {**own, **given}.items() if value is not None}
    merged = {**before, **news}
    if bool(merged.get("isPremium")) != (merged.get("requiredPlan") is not None):
        raise Invalid.field("requiredPlan", "A premium provider names the plan that it needs, and no other one does.")
    kept = {name: getattr(shown, name) if name in shown.overridden else None for name in states}
    chosen = {name: news.get(name, kept[name]) for name in states}
    row = Override(shown.id, chosen["status"], chosen["audience"], model.read_override(fields), 0, shown.updated_at)
    return row, None, merged


async def remove_provider(scope: Scope, slug: str) -> None:
    """Take a provider out of the catalog; connections that use it go on. Raises ProviderNotFound."""
    shown = await provider(scope, slug, hidden=True)
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        old = await store.override(tx, slug)
        fresh = replace(
            old or Override(slug, None, None, {}, 0, scope.now),
            version=await _next(tx, slug, old),
            updated_at=scope.now,
            removed=True,
        )
        await _put(scope, tx, fresh, shown.manifest if shown.declared else None, ("deleted", {}))
        tx.emit(ProviderRemoved(subject=slug, before=document_of(shown)))


async def reset_provider(
    scope: Scope, slug: str, *, category: str | None = None, agreed: Agreed | None = None
) -> Provider:
    """Drop every override of a provider that came as a folder, a removal too.

    Raises ProviderNotFound, Invalid, ProviderChangedMeanwhile, SecondPersonNeeded, ProposalStale.
    """
    shelf = scope.part(Providers)
    if not shelf.is_own(slug):
        shown = await provider(scope, slug, hidden=True)
        checked(shown, category or shown.category)
        raise Invalid("This provider has no folder to go back to; roll it back to one of its versions.")
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        old = await store.override(tx, slug)
    shown = model.overlay(shelf.shown(slug), old)
    checked(shown, category or shown.category)
    if old is None or not (old.state or old.removed):
        return shown
    scope.check_seen(model.provider_tag(slug, old.version), ProviderChangedMeanwhile)
    # of one that was taken out nobody sees anything, so that all who will see it are new
    before = {} if old.removed else document_of(shown)
    told = await agree(scope, before, document_of(shelf.shown(slug)), agreed)
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        await settle(scope, tx, agreed)
        fresh = Override(slug, None, None, {}, await _next(tx, slug, old), scope.now)
        await _put(scope, tx, fresh, None, ("reset", {}))
        tx.emit(ProviderChanged(subject=slug, before=model.told(old.state), after={}, body=told))
    return await provider(scope, slug, hidden=True)


async def versions(scope: Scope, slug: str, ask: Ask) -> Page[Version]:
    """The provider's history, newest first. Raises ProviderNotFound."""
    await provider(scope, slug, hidden=True)
    before = int(ask.after) if ask.after else _FAR
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        rows = await store.versions(tx, slug, before, ask.limit + 1)
    kept = rows[: ask.limit]
    more = len(rows) > ask.limit
    return Page(kept, next_after=str(kept[-1].version) if more else None, has_more=more)


async def differences(scope: Scope, slug: str, version: int, against: int | None) -> list[Difference]:
    """What the version changed, against another one or the one before it; version 0 is the folder as it came.

    Raises ProviderNotFound, VersionNotFound.
    """
    await provider(scope, slug, hidden=True)
    shelf = scope.part(Providers)
    own = document_of(shelf.shown(slug)) if shelf.is_own(slug) else {}
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        after = await _state(tx, slug, version)
        if against is None:
            earlier = await store.versions(tx, slug, version, 1)
            against = earlier[0].version if earlier else 0
        before = await _state(tx, slug, against)
    return history.differences(*history.above(own, model.told(before), model.told(after)))


async def _state(tx: Tx, slug: str, version: int) -> Document:
    if version == 0:
        return {}
    found = await store.version(tx, slug, version)
    if found is None:
        raise VersionNotFound(details={"version": version})
    return found.state


async def roll_back(  # house: silent - what it calls emits
    scope: Scope, slug: str, version: int, agreed: Agreed | None = None
) -> Provider:
    """Make the provider what it was after that version, as a new version.

    Raises ProviderNotFound, VersionNotFound, ProviderChangedMeanwhile, SecondPersonNeeded, ProposalStale.
    """
    shown = await provider(scope, slug, hidden=True)
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        state = await _state(tx, slug, version)
    if not shown.declared:
        return await _back_to_overrides(scope, shown, state, version, agreed)
    if not state:
        raise VersionNotFound("The provider did not exist after this version.", details={"version": version})
    now = document_of(shown)
    gone = dict.fromkeys(now.keys() - state.keys())
    return await _changed(scope, shown, {**gone, **state}, f"rolled back to {version}", agreed)


async def _back_to_overrides(
    scope: Scope, shown: Provider, state: Document, version: int, agreed: Agreed | None
) -> Provider:
    scope.check_seen(shown.etag, ProviderChangedMeanwhile)
    fields = {name: value for name, value in state.items() if name not in {"status", "audience"}}
    row = Override(shown.id, state.get("status"), state.get("audience"), fields, shown.version + 1, scope.now)
    after = model.overlay(scope.part(Providers).shown(shown.id), row)
    told = await agree(scope, document_of(shown), document_of(after), agreed)
    async with scope.platform().tx() as tx:  # house: platform - provider rows belong to the deployment
        await settle(scope, tx, agreed)
        old = await store.override(tx, shown.id)
        fresh = replace(row, version=await _next(tx, shown.id, old))
        if (old.version if old else 0) != shown.version:
            raise _conflict(shown.id, old.version if old else 0)
        await _put(scope, tx, fresh, None, (f"rolled back to {version}", fresh.state))
        tx.emit(
            ProviderChanged(
                subject=shown.id,
                before=model.told(old.state) if old else None,
                after=model.told(fresh.state),
                body=told,
            )
        )
    return await provider(scope, shown.id, hidden=True)


def _conflict(slug: str, newest: int) -> ProviderChangedMeanwhile:
    return ProviderChangedMeanwhile(details={"revision": newest, "etag": model.provider_tag(slug, newest)})


async def _next(tx: Tx, slug: str, old: Override | None) -> int:
    """Numbers go on where a removed provider of this id ended, so that no process takes an old definition for new."""
    return old.version + 1 if old is not None else await store.newest_version(tx, slug) + 1


async def _put(scope: Scope, tx: Tx, row: Override, manifest: Manifest | None, step: tuple[str, Document]) -> None:
    definition = msgspec.to_builtins(manifest) if manifest is not None else None
    if not await store.put_override(tx, row, definition):
        newest = await store.override(tx, row.id)
        raise _conflict(row.id, newest.version if newest else 0)
    action, state = step
    await store.put_version(tx, row.id, Version(row.version, action, scope.principal.id, scope.now, state))


def checked(found: Provider, category: str) -> Provider:
    """The provider, if it stands at this address. Raises ProviderNotFound."""
    if found.category != category:
        raise ProviderNotFound
    return found
