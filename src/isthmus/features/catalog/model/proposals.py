"""Which changes of a provider take two persons, and proposals of such changes (security.md SA-03; pure).

A change is weighty where it can move secrets to somebody else, weakens how calls and pushes are proven, or shows the
provider to more people than before.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from isthmus.features.catalog.model.history import Difference

#: What steers where secrets go, and how they are shown and proven.
_STEERING = ("hosts", "oauthConfig", "authType", "authAlso", "service", "variables", "webhooks")
_SECRET = re.compile(r"(?:app|credential)Fields\.\d+\.secret")


class ProposalState(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change that waits for a second person, or waited. `reasons` are the paths that make it weighty."""

    id: str
    provider: str
    action: str
    wish: Mapping[str, Any]
    differences: tuple[Difference, ...]
    reasons: tuple[str, ...]
    state: ProposalState
    proposed_by: str
    proposed_at: datetime
    until: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    sealed: bytes | None = field(default=None, repr=False)

    def state_at(self, now: datetime) -> ProposalState:
        """What has become of it by this time."""
        late = self.state is ProposalState.OPEN and now >= self.until
        return ProposalState.EXPIRED if late else self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What a second person agrees to: exactly the differences that the proposal shows."""

    proposal: Proposal


def weighty(differences: Sequence[Difference], *, fresh: bool = False) -> tuple[str, ...]:
    """The paths that make a change weighty. `fresh`: nobody has the provider yet, so that no secret can be moved."""
    return tuple(one.path for one in differences if _widens(one) or (not fresh and _moves(one)))


def _widens(one: Difference) -> bool:
    if one.path == "audience":
        return bool(one.after == "tenant")
    return one.path == "requiresUserScoping" and one.before is True and not one.after


def _moves(one: Difference) -> bool:
    if _SECRET.fullmatch(one.path):
        return one.before is True and not one.after
    return one.path.partition(".")[0] in _STEERING
