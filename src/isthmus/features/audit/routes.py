"""`/api/audit`: the log, as a list, as a file, and the proof of one entry."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from isthmus.features.audit.errors import EntryNotFound, NotAsSealed, NotSealed
from isthmus.features.audit.model import exports
from isthmus.features.audit.model.entries import Entry, Filters, masked
from isthmus.features.audit.model.exports import Form
from isthmus.features.audit.service import reading as service
from isthmus.features.audit.service.proving import prove
from isthmus.features.audit.service.weakening import weakened
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, attachment, document
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, permission

READ = permission("audit:read", "See who changed what.", SUPER_ADMIN, TENANT_ADMIN)

SEE_SETTINGS = permission("settings:see", "See which settings weaken the deployment.", SUPER_ADMIN)

routes = Routes(prefix="/api/audit", tag="Audit")
setting_routes = Routes(prefix="/api/admin/weak-settings", tag="Audit")

_EXPORT_SECONDS = 600.0
Text = Annotated[str | None, Query(min_length=1, max_length=200)]
Words = Annotated[
    str | None, Query(min_length=1, max_length=200, description="Part of the type, actor, subject or name.")
]


class EntryOut(Answer, frozen=True):
    """One change: who made it, from where, and what it changed."""

    id: str
    type: str
    at: datetime
    actor: str
    on_behalf_of: Annotated[
        str, Field(description="Whose rights the actor used: the maker of a key, the operator inside a tenant.")
    ]
    address: str
    request_id: str
    route: Annotated[
        str, Field(description="The request that was the cause, by its template; empty for jobs and commands.")
    ]
    subject: str
    details: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class EntryList(Answer, frozen=True):
    """The newest changes first."""

    items: list[EntryOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


class ProofOut(Answer, frozen=True):
    """Hashes that lead from an entry to a signed checkpoint (RFC 6962 section 2.1), all in hexadecimal.

    `checkpoint` is what was signed, in its order: purpose, number, time, first and last place, count of leaves, root,
    hash of whose they are, hash of the checkpoint before, id of the key, and behind a restore the epoch.
    """

    entry_id: str
    entry: str | None
    leaf: str
    index: int
    steps: list[str]
    checkpoint: list[Any]
    signature: str
    key_id: str
    public_key: str


class WeakSettingOut(Answer, frozen=True, kw_only=True):
    """A setting whose value weakens security; once `expired`, the safe value holds whatever is set."""

    name: str
    value: str
    reason: str
    since: datetime
    until: datetime
    expired: bool


class WeakSettingList(Answer, frozen=True, kw_only=True):
    """Every setting that weakens the deployment; none is how it should be."""

    items: list[WeakSettingOut]


@setting_routes.get(
    "",
    permission=SEE_SETTINGS,
    limit="other",
    response_model=WeakSettingList,
    summary="Settings that weaken the deployment",
)
async def list_weak_settings(scope: ScopeDep) -> Response:
    """As `isthmus check` shows them in red: each with its reason, since when it is known and when it ends."""
    found = [
        WeakSettingOut(
            name=one.name,
            value=one.value,
            reason=one.reason,
            since=one.since,
            until=one.until,
            expired=one.is_over(scope.now),
        )
        for one in await weakened(scope)
    ]
    return document(WeakSettingList(items=found))


@routes.get("", permission=READ, limit="other", response_model=EntryList, summary="The audit log")
async def list_entries(
    scope: ScopeDep,
    paging: PageDep,
    type: Text = None,  # noqa: A002 - the filter's name on the wire
    actor: Text = None,
    subject: Text = None,
    starts: Annotated[Moment | None, Query(alias="from", description="Included.")] = None,
    ends: Annotated[Moment | None, Query(alias="to", description="Not included.")] = None,
    search: Words = None,
) -> Response:
    """Changes made by people, keys and operators of this tenant."""
    filters = Filters(type=type, actor=actor, subject=subject, starts=starts, ends=ends, text=search)
    page = await service.entries(scope, paging.ask, filters)
    shown = Page([_shown(entry) for entry in page.items], next_after=page.next_after, has_more=page.has_more)
    return paging.listing("items", shown)


@routes.get(
    "/export",
    permission=READ,
    limit="other",
    response_model=None,
    summary="The audit log as a file",
    step_up=True,
    media_type=exports.MEDIA[Form.NDJSON],
    deadline=_EXPORT_SECONDS,
    heavy="export",
)
async def export_entries(
    scope: ScopeDep,
    format: Annotated[Form, Query(description="`ndjson` or `csv`.")] = Form.NDJSON,  # noqa: A002 - as above
    type: Text = None,  # noqa: A002 - as above
    actor: Text = None,
    subject: Text = None,
    starts: Annotated[Moment | None, Query(alias="from", description="Included.")] = None,
    ends: Annotated[Moment | None, Query(alias="to", description="Not included.")] = None,
    search: Words = None,
) -> Response:
    """Every change that the filters leave, the newest first, as it is read: a long log never stands in memory.

    In CSV an apostrophe stands before each cell that a spreadsheet would take for a formula, and before one that
    begins with an apostrophe itself: take the first one away to have the value.
    """
    filters = Filters(type=type, actor=actor, subject=subject, starts=starts, ends=ends, text=search)
    lines = await service.export(scope, format, filters)
    name = f"audit-{scope.now:%Y%m%d}.{format.value}"
    headers = attachment(name)
    return StreamingResponse(lines, media_type=exports.MEDIA[format], headers=headers)


@routes.get(
    "/{entry_id}/proof",
    permission=READ,
    limit="other",
    response_model=ProofOut,
    summary="The proof of one entry",
    errors=(EntryNotFound, NotSealed, NotAsSealed),
)
async def prove_entry(scope: ScopeDep, entry_id: str) -> Response:
    """Shows without any database that the entry stands in the log as it was sealed: keep it, and check it with
    `isthmus audit verify --proof`. `entry` is null where the log hides a part of it; `leaf` commits to it all the same.
    """
    proof = await prove(scope, entry_id)
    return document(
        ProofOut(
            entry_id=proof.entry_id,
            entry=proof.entry,
            leaf=proof.leaf.hex(),
            index=proof.index,
            steps=[step.hex() for step in proof.steps],
            checkpoint=list(proof.said),
            signature=proof.signature.hex(),
            key_id=proof.key_id,
            public_key=proof.public.hex(),
        )
    )


def _shown(entry: Entry) -> EntryOut:
    return EntryOut(
        id=entry.id,
        type=entry.type,
        at=entry.at,
        actor=entry.actor,
        on_behalf_of=entry.on_behalf_of,
        address=entry.address,
        request_id=entry.request_id,
        route=entry.route,
        subject=entry.subject,
        details=masked(entry.body),
        before=masked(entry.before),
        after=masked(entry.after),
    )
