"""Changes that move secrets or widen an audience take two persons, where there are two (security.md SA-03)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from isthmus.features.catalog import store
from isthmus.features.catalog.errors import ProposalClosed, ProposalStale, ProposerGone, SecondPersonNeeded
from isthmus.features.catalog.events import ProviderChangeApproved
from isthmus.features.catalog.model import proposals as model
from isthmus.features.catalog.model.history import Difference, differences
from isthmus.features.catalog.model.proposals import Agreed, Proposal, ProposalState
from isthmus.kit.errors import Forbidden
from isthmus.scope import Scope, Tx


@dataclass(frozen=True, slots=True)
class Colleagues:
    """A part: who could be the second person, super admins beside the caller, and who stays one until a transaction
    ends. It is a part as `Plans` is one.
    """

    others: Callable[[Scope], Awaitable[Sequence[str]]]
    stays: Callable[[Tx, str], Awaitable[bool]]


async def agree(
    scope: Scope,
    before: Mapping[str, object],
    after: Mapping[str, object],
    agreed: Agreed | None,
) -> Mapping[str, object]:
    """What the log says of how a change came about; empty where nobody has to agree to it.

    Before there is anything (`before` empty) only who sees it counts. Raises SecondPersonNeeded, with what differs;
    ProposalStale where it is not what the second person saw.
    """
    found = plain(differences(before, after))
    if agreed is not None:
        wanted = agreed.proposal
        if found != wanted.differences:
            raise ProposalStale
        said = {"proposal": wanted.id, "proposedBy": wanted.proposed_by, "approvedBy": scope.principal.id}
        return {"approval": said}
    reasons = model.weighty(found, fresh=not before)
    if not reasons:
        return {}
    if scope.principal.kind not in {"user", "key"}:
        # whoever works on the machine itself holds its keys and its database anyway
        return {"approval": {"withoutSecondPerson": scope.principal.kind, "reasons": list(reasons)}}
    if await scope.part(Colleagues).others(scope):
        raise SecondPersonNeeded(found, reasons)
    return {"approval": {"withoutSecondPerson": "only one super admin", "reasons": list(reasons)}}


async def settle(scope: Scope, tx: Tx, agreed: Agreed | None) -> None:
    """Decide the proposal in the transaction that makes its change: neither is without the other.

    Called before anything is written, so that whoever turns it down at this moment comes before or after all of it.
    Both persons have to be super admins still: what somebody wants who was removed since is nobody's wish any more.
    Raises ProposalClosed for one that has been decided, ProposerGone, Forbidden.
    """
    if agreed is None:
        return
    found, colleagues = agreed.proposal, scope.part(Colleagues)
    # always in one order, so that no two wait for one another
    left = [who for who in sorted({scope.principal.id, found.proposed_by}) if not await colleagues.stays(tx, who)]
    if scope.principal.id in left:
        raise Forbidden("You are no super admin any more.")
    if left:
        raise ProposerGone
    if not await store.update_decided(tx, found.id, ProposalState.APPROVED, scope.principal.id, scope.now):
        raise ProposalClosed
    tx.emit(ProviderChangeApproved(subject=found.provider, body=told(found), **sides(found)))


def told(found: Proposal) -> dict[str, object]:
    """What the log says of a proposal."""
    return {
        "proposal": found.id,
        "action": found.action,
        "reasons": list(found.reasons),
        "proposedBy": found.proposed_by,
        "until": found.until.isoformat(),
    }


def sides(found: Proposal) -> dict[str, dict[str, object]]:
    """What would be other, before and after, for the log."""
    return {
        "before": {one.path: one.before for one in found.differences if one.before is not None},
        "after": {one.path: one.after for one in found.differences if one.after is not None},
    }


def plain(found: Sequence[Difference]) -> tuple[Difference, ...]:
    """The differences as they come back from a row."""
    return tuple(Difference(one.path, msgspec.to_builtins(one.before), msgspec.to_builtins(one.after)) for one in found)
