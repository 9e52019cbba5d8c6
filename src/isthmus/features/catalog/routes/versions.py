"""A provider's history, and its definition as a file."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from isthmus.features.catalog.errors import (
    ProviderChangedMeanwhile,
    ProviderExists,
    ProviderNotFound,
    VersionNotFound,
)
from isthmus.features.catalog.model.history import Difference
from isthmus.features.catalog.model.proposals import Proposal
from isthmus.features.catalog.routes.admin import whole
from isthmus.features.catalog.routes.permissions import MANAGE
from isthmus.features.catalog.routes.proposals import ProviderChangeOut, waiting
from isthmus.features.catalog.routes.shapes import ProviderWhole
from isthmus.features.catalog.service import changing, files, proposals
from isthmus.features.catalog.service import providers as service
from isthmus.features.catalog.service.proposals import Wish
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, document
from isthmus.kit.paging import Page
from isthmus.scope import Scope

routes = Routes(prefix="/api/admin/integrations", tag="Providers")
_Number = Annotated[int, Field(ge=0, le=2**53)]


class VersionOut(Answer, frozen=True, kw_only=True):
    """One step of a provider's history."""

    version: int
    action: str
    actor: str
    at: datetime


class VersionList(Answer, frozen=True, kw_only=True):
    """A provider's history, newest first."""

    items: list[VersionOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class DifferenceOut(Answer, frozen=True, kw_only=True):
    """One field that is not the same; a side that has it not is null."""

    path: str
    before: Any
    after: Any


class DifferenceList(Answer, frozen=True, kw_only=True):
    """What differs."""

    items: list[DifferenceOut]


class ImportBody(Wire):
    """A provider as YAML, as its export gives it; JSON is YAML too."""

    yaml: Annotated[str, StringConstraints(min_length=1, max_length=200_000)]
    dry_run: bool = False


class ImportOut(Answer, frozen=True, kw_only=True):
    """What an import did, or would do: `created`, `changed` or `unchanged`, and every field that differs."""

    provider: str
    outcome: str
    dry_run: bool
    differences: list[DifferenceOut]


@routes.get(
    "/{category}/{id}/versions",
    permission=MANAGE,
    limit="provider",
    response_model=VersionList,
    summary="A provider's history",
    errors=(ProviderNotFound,),
)
async def list_versions(scope: ScopeDep, paging: PageDep, category: str, id: str) -> Response:  # noqa: A002
    """Every change that was made here, newest first; version 0 is the provider as its folder describes it."""
    await _check(scope, category, id)
    page = await changing.versions(scope, id, paging.ask)
    rows = [VersionOut(version=one.version, action=one.action, actor=one.actor, at=one.at) for one in page.items]
    return paging.listing("items", Page(rows, page.next_after, has_more=page.has_more))


@routes.get(
    "/{category}/{id}/versions/{version}/diff",
    permission=MANAGE,
    limit="provider",
    response_model=DifferenceList,
    summary="What a version changed",
    errors=(ProviderNotFound, VersionNotFound),
)
async def diff_versions(
    scope: ScopeDep,
    category: str,
    id: str,  # noqa: A002 - the path's name
    version: _Number,
    against: Annotated[int | None, Query(ge=0, le=2**53, description="The version before it by default.")] = None,
) -> Response:
    """Field by field, against the version before it or another one."""
    await _check(scope, category, id)
    found = await changing.differences(scope, id, version, against)
    return document(DifferenceList(items=_differences(found)))


@routes.post(
    "/{category}/{id}/versions/{version}/rollback",
    permission=MANAGE,
    limit="provider",
    response_model=ProviderWhole,
    summary="Go back to a version",
    step_up=True,
    also={202: ProviderChangeOut},
    errors=(ProviderNotFound, VersionNotFound),
    if_changed=ProviderChangedMeanwhile,
)
async def roll_back(scope: ScopeDep, category: str, id: str, version: _Number) -> Response:  # noqa: A002
    """Make the provider what it was after that version; the way back is a version of its own."""
    await _check(scope, category, id)
    making = changing.roll_back(scope, id, version)
    found = await proposals.make_or_propose(scope, Wish("rollback", id, {"version": version}), making)
    return waiting(scope, found) if isinstance(found, Proposal) else document(whole(found))


@routes.post(
    "/{category}/{id}/reset",
    permission=MANAGE,
    limit="provider",
    response_model=ProviderWhole,
    summary="Drop what was overridden",
    step_up=True,
    also={202: ProviderChangeOut},
    errors=(ProviderNotFound,),
    if_changed=ProviderChangedMeanwhile,
)
async def reset(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - as above
    """Back to the folder's own facts; a provider that was deleted comes back."""
    making = changing.reset_provider(scope, id, category=category)
    found = await proposals.make_or_propose(scope, Wish("reset", id), making)
    return waiting(scope, found) if isinstance(found, Proposal) else document(whole(found))


@routes.get(
    "/{category}/{id}/export",
    permission=MANAGE,
    limit="provider",
    response_model=None,
    summary="A provider as YAML",
    media_type="application/yaml",
    errors=(ProviderNotFound,),
)
async def export(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - as above
    """Its whole document; no credential is ever in it."""
    await _check(scope, category, id)
    return Response(await files.export_provider(scope, id), media_type="application/yaml")


@routes.post(
    "/import",
    permission=MANAGE,
    limit="provider",
    response_model=ImportOut,
    summary="Make or change a provider from YAML",
    step_up=True,
    also={202: ProviderChangeOut},
    errors=(ProviderNotFound, ProviderExists, ProviderChangedMeanwhile),
)
async def import_provider(scope: ScopeDep, body: ImportBody) -> Response:
    """With `dryRun` only what would differ is said."""
    wish = Wish("import", str(files.read_file(body.yaml).get("provider", "")), {"yaml": body.yaml})
    making = files.import_provider(scope, body.yaml, dry_run=body.dry_run)
    done = await proposals.make_or_propose(scope, wish, making)
    if isinstance(done, Proposal):
        return waiting(scope, done)
    shown = _differences(done.differences)
    return document(ImportOut(provider=done.provider, outcome=done.outcome, dry_run=body.dry_run, differences=shown))


async def _check(scope: Scope, category: str, id_: str) -> None:
    changing.checked(await service.provider(scope, id_, hidden=True), category)


def _differences(found: list[Difference]) -> list[DifferenceOut]:
    return [DifferenceOut(path=one.path, before=one.before, after=one.after) for one in found]
