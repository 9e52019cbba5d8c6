"""`/api/admin/provider-changes`: changes of providers that wait for a second person (security.md SA-03)."""

from datetime import datetime
from typing import Any

from starlette.responses import Response

from isthmus.features.catalog.errors import (
    AppChanged,
    OwnProposal,
    ProposalClosed,
    ProposalNotFound,
    ProposalStale,
    ProposerGone,
    ProviderChangedMeanwhile,
    ProviderExists,
    ProviderNotFound,
    VersionNotFound,
)
from isthmus.features.catalog.model.proposals import Proposal
from isthmus.features.catalog.routes.permissions import MANAGE
from isthmus.features.catalog.service import proposals as service
from isthmus.http import Answer, PageDep, Routes, ScopeDep, accepted, document
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Page
from isthmus.scope import Scope

routes = Routes(prefix="/api/admin/provider-changes", tag="Providers")


class ChangedFieldOut(Answer, frozen=True, kw_only=True):
    """One field that would not be the same; a side that has it not is null. Credentials are only named."""

    path: str
    before: Any
    after: Any
    #: Whether it is one for whose sake a second person is asked.
    weighty: bool


class ProviderChangeOut(Answer, frozen=True, kw_only=True):
    """A change that moves secrets or widens who sees a provider: it waits for another super admin."""

    id: str
    provider: str
    action: str
    state: str
    differences: list[ChangedFieldOut]
    proposed_by: str
    proposed_at: datetime
    until: datetime
    decided_by: str | None
    decided_at: datetime | None


class ProviderChangeList(Answer, frozen=True, kw_only=True):
    """The newest first."""

    items: list[ProviderChangeOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@routes.get("", permission=MANAGE, limit="other", response_model=ProviderChangeList, summary="Changes for two persons")
async def list_changes(scope: ScopeDep, paging: PageDep) -> Response:
    """Those that wait and those that were decided, with what each would change."""
    page = await service.proposals(scope, paging.ask)
    shown = [_out(scope, one) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@routes.get(
    "/{change_id}",
    permission=MANAGE,
    limit="other",
    response_model=ProviderChangeOut,
    summary="One change for two persons",
    errors=(ProposalNotFound,),
)
async def get_change(scope: ScopeDep, change_id: str) -> Response:
    """What it would change, field by field, and who wants it."""
    return document(_out(scope, await service.proposal(scope, change_id)))


@routes.post(
    "/{change_id}/approve",
    permission=MANAGE,
    limit="other",
    response_model=ProviderChangeOut,
    summary="Agree to a change and make it",
    step_up=True,
    errors=(
        ProposalNotFound,
        ProposalClosed,
        ProposalStale,
        ProposerGone,
        OwnProposal,
        ProviderNotFound,
        ProviderExists,
        ProviderChangedMeanwhile,
        VersionNotFound,
        AppChanged,
        Invalid,
    ),
)
async def approve_change(scope: ScopeDep, change_id: str) -> Response:
    """By another super admin than the one who wants it. What is made is what the change shows; where the provider has
    changed since, or whoever wants it is no super admin any more, nothing is made.
    """
    return document(_out(scope, await service.approve(scope, change_id)))


@routes.post(
    "/{change_id}/reject",
    permission=MANAGE,
    limit="other",
    response_model=ProviderChangeOut,
    summary="Turn a change down",
    errors=(ProposalNotFound, ProposalClosed),
)
async def reject_change(scope: ScopeDep, change_id: str) -> Response:
    """By any super admin; whoever wants it can take it back like this."""
    return document(_out(scope, await service.reject(scope, change_id)))


def waiting(scope: Scope, made: Proposal) -> Response:
    """202: the change has become a proposal."""
    return accepted(_out(scope, made))


def _out(scope: Scope, one: Proposal) -> ProviderChangeOut:
    weighty = set(one.reasons)
    return ProviderChangeOut(
        id=one.id,
        provider=one.provider,
        action=one.action,
        state=one.state_at(scope.now),
        differences=[
            ChangedFieldOut(path=each.path, before=each.before, after=each.after, weighty=each.path in weighty)
            for each in one.differences
        ],
        proposed_by=one.proposed_by,
        proposed_at=one.proposed_at,
        until=one.until,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
    )
