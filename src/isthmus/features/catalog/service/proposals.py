"""Proposals: changes of providers that wait until another super admin agrees (security.md SA-03)."""

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from isthmus.features import vault
from isthmus.features.catalog import store
from isthmus.features.catalog.errors import (
    OwnProposal,
    ProposalClosed,
    ProposalNotFound,
    SecondPersonNeeded,
)
from isthmus.features.catalog.events import ProviderChangeProposed, ProviderChangeRejected
from isthmus.features.catalog.model.proposals import Agreed, Proposal, ProposalState
from isthmus.features.catalog.service import changing, files, registrations
from isthmus.features.catalog.service.agreeing import settle, sides, told
from isthmus.features.catalog.settings import Settings
from isthmus.kit.errors import Forbidden
from isthmus.kit.paging import Ask, Page
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

T = TypeVar("T")
_FIELD = "proposed"


@dataclass(frozen=True, slots=True)
class Wish:
    """A change as it was asked for, so that it can be made later; credentials are kept sealed."""

    action: str
    provider: str
    given: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, Secret] | None = None


async def make_or_propose(scope: Scope, wish: Wish, making: Coroutine[Any, Any, T]) -> T | Proposal:
    """The change, or the proposal that it has become because it takes two persons.

    Raises what making it raises, and Forbidden where a key asks for such a change: whoever holds it could agree to it.
    """
    try:
        return await making
    except SecondPersonNeeded as needed:
        return await _propose(scope, wish, needed)


async def _propose(scope: Scope, wish: Wish, needed: SecondPersonNeeded) -> Proposal:
    if scope.principal.kind != "user":
        raise Forbidden("This change takes two persons, and a key is none: sign in and make it there.")
    own, identity = scope.platform(), scope.id("pch")  # house: platform - proposals belong to the deployment
    text = {name: one.reveal() for name, one in (wish.credentials or {}).items()}
    async with own.tx() as tx:
        sealed = await vault.seal(own, tx, Secret(json.dumps(text)), owner=identity, field=_FIELD) if text else None
        made = Proposal(
            id=identity,
            provider=wish.provider,
            action=wish.action,
            wish=wish.given,
            differences=needed.differences,
            reasons=needed.reasons,
            state=ProposalState.OPEN,
            proposed_by=scope.principal.id,
            proposed_at=scope.now,
            until=scope.now + scope.part(Settings).proposal_life,
            sealed=sealed,
        )
        await store.put_proposal(tx, made)
        tx.emit(ProviderChangeProposed(subject=made.provider, body=told(made), **sides(made)))
    return made


async def proposals(scope: Scope, ask: Ask) -> Page[Proposal]:
    """All of them, the newest first."""
    async with scope.platform().tx() as tx:  # house: platform - proposals belong to the deployment
        rows = await store.proposals(tx, before=ask.after, offset=ask.offset, limit=ask.limit + 1)
    kept, more = rows[: ask.limit], len(rows) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def proposal(scope: Scope, proposal_id: str) -> Proposal:
    """One of them. Raises ProposalNotFound."""
    async with scope.platform().tx() as tx:  # house: platform - proposals belong to the deployment
        found = await store.proposal(tx, proposal_id)
    if found is None:
        raise ProposalNotFound
    return found


async def approve(scope: Scope, proposal_id: str) -> Proposal:
    """Agree to a change and make it, exactly as the proposal shows it, in one transaction with the decision.

    Raises ProposalNotFound, ProposalClosed, OwnProposal, ProposalStale where it would do something else by now,
    ProposerGone, Forbidden for whoever is no person or no super admin any more, and what making the change raises.
    """
    found = await _open(scope, proposal_id)
    if scope.principal.kind != "user":
        raise Forbidden("Only a person can be the second person of a change.")
    if found.proposed_by == scope.principal.id:
        raise OwnProposal
    await _MAKE[found.action](scope, found, Agreed(proposal=found))
    done = await proposal(scope, proposal_id)
    if done.state is not ProposalState.OPEN:
        return done
    async with scope.platform().tx() as tx:  # house: platform - proposals belong to the deployment
        # what is so already takes no transaction that could have decided it
        await settle(scope, tx, Agreed(proposal=found))
    return await proposal(scope, proposal_id)


async def reject(scope: Scope, proposal_id: str) -> Proposal:
    """Turn a change down, or take one's own back. Raises ProposalNotFound, ProposalClosed."""
    found = await _open(scope, proposal_id)
    async with scope.platform().tx() as tx:  # house: platform - proposals belong to the deployment
        if not await store.update_decided(tx, found.id, ProposalState.REJECTED, scope.principal.id, scope.now):
            raise ProposalClosed
        tx.emit(ProviderChangeRejected(subject=found.provider, body=told(found), **sides(found)))
    return await proposal(scope, found.id)


async def _open(scope: Scope, proposal_id: str) -> Proposal:
    found = await proposal(scope, proposal_id)
    state = found.state_at(scope.now)
    if state is not ProposalState.OPEN:
        raise ProposalClosed(details={"state": state})
    return found


async def _create(scope: Scope, found: Proposal, agreed: Agreed) -> None:
    await changing.create_provider(scope, found.wish["document"], agreed)


async def _change(scope: Scope, found: Proposal, agreed: Agreed) -> None:
    await changing.patch_provider(scope, found.provider, found.wish["changes"], agreed=agreed)


async def _import(scope: Scope, found: Proposal, agreed: Agreed) -> None:
    await files.import_provider(scope, found.wish["yaml"], agreed=agreed)


async def _roll_back(scope: Scope, found: Proposal, agreed: Agreed) -> None:
    await changing.roll_back(scope, found.provider, found.wish["version"], agreed)


async def _reset(scope: Scope, found: Proposal, agreed: Agreed) -> None:
    await changing.reset_provider(scope, found.provider, agreed=agreed)


async def _set_app(scope: Scope, found: Proposal, agreed: Agreed) -> None:
    own = scope.platform()  # house: platform - the deployment's own apps
    credentials: dict[str, Secret] | None = None
    if found.sealed is not None:
        async with own.tx() as tx:
            text = await vault.open(own, tx, found.sealed, owner=found.id, field=_FIELD)
        credentials = {name: Secret(value) for name, value in json.loads(text.reveal()).items()}
    hosts = found.wish["hosts"]
    await registrations.set_app(own, found.provider, credentials=credentials, hosts=hosts, remote=True, agreed=agreed)


_MAKE: Mapping[str, Callable[[Scope, Proposal, Agreed], Awaitable[None]]] = {
    "create": _create,
    "change": _change,
    "import": _import,
    "rollback": _roll_back,
    "reset": _reset,
    "app": _set_app,
}


async def sweep(system: System) -> None:  # house: silent - whoever looks at it is told that it has ended
    """Close what nobody decided in time, and forget its credentials."""
    async with system.tx() as tx:
        await store.update_expired(tx, system.now)


async def reseal(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal credentials of open proposals under the tenant's current key; the last id, None behind the last one."""
    async with scope.tx() as tx:
        rows = await store.sealed_proposals(tx, after or "", limit)
        for identity, seen in rows:
            sealed = await vault.reseal(scope, tx, seen, owner=identity, field=_FIELD)
            if sealed is not None:
                await store.reseal_proposal(tx, identity, seen, sealed)
    return rows[-1][0] if len(rows) == limit else None
