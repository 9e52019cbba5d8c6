"""Sources over HTTP."""

from datetime import timedelta

from starlette.responses import Response

from isthmus.features.catalog import PlanRequired, ProviderNotFound
from isthmus.features.connections import ConnectionNotFound
from isthmus.features.webhooks_in.errors import PushesNothing, SourceChangedMeanwhile, SourceNotFound, TooManySources
from isthmus.features.webhooks_in.routes.shapes import (
    MANAGE,
    READ,
    AddSource,
    ChangeSource,
    RefusedList,
    RotateSource,
    SourceList,
    SourceOut,
    refused_out,
    secret_of,
    source_out,
    wanted_source,
)
from isthmus.features.webhooks_in.service import looking, managing
from isthmus.features.webhooks_in.service.managing import Fresh
from isthmus.http import PageDep, Routes, ScopeDep, created, document, no_content
from isthmus.kit.paging import Page

routes: Routes = Routes(prefix="/api/webhooks/sources", tag="Webhooks in")


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=SourceOut,
    status=201,
    summary="Make an address for a provider's pushes",
    errors=(ProviderNotFound, PlanRequired, PushesNothing, ConnectionNotFound, TooManySources),
    secret_fields=("url",),
)
async def add_source(scope: ScopeDep, body: AddSource) -> Response:
    """The address is shown once."""
    seen = await managing.add(scope, wanted_source(body, body.connection_id))
    return created(source_out(seen), location=f"/api/webhooks/sources/{seen.source.id}")


@routes.get("", permission=READ, limit="other", response_model=SourceList, summary="The addresses for pushes")
async def list_sources(scope: ScopeDep, paging: PageDep) -> Response:
    """Oldest first."""
    page = await managing.sources(scope, paging.ask)
    shown = Page([source_out(one) for one in page.items], page.next_after, has_more=page.has_more)
    return paging.listing("items", shown)


@routes.get(
    "/{source_id}",
    permission=READ,
    limit="other",
    response_model=SourceOut,
    summary="One address for pushes",
    errors=(SourceNotFound,),
)
async def get_source(scope: ScopeDep, source_id: str) -> Response:
    """With what came in there."""
    return document(source_out(await managing.source(scope, source_id)))


@routes.patch(
    "/{source_id}",
    permission=MANAGE,
    limit="other",
    response_model=SourceOut,
    summary="Rename, pause or resume a source",
    errors=(SourceNotFound,),
    if_changed=SourceChangedMeanwhile,
)
async def change_source(scope: ScopeDep, source_id: str, body: ChangeSource) -> Response:
    """A paused source answers 503, so that platforms come again later."""
    return document(source_out(await managing.change(scope, source_id, body.model_dump(exclude_unset=True))))


@routes.post(
    "/{source_id}/rotate",
    permission=MANAGE,
    limit="other",
    response_model=SourceOut,
    summary="Give a source a new address or a new secret",
    errors=(SourceNotFound, PushesNothing),
    secret_fields=("url",),
)
async def rotate_source(scope: ScopeDep, source_id: str, body: RotateSource) -> Response:
    """The old ones count for `overlapSeconds`, a day by default; 0 ends what has leaked within seconds."""
    overlap = None if body.overlap_seconds is None else timedelta(seconds=body.overlap_seconds)
    secret, verify_token = secret_of(body.secret), secret_of(body.verify_token)
    fresh = Fresh(token=body.address, secret=secret, verify_token=verify_token, overlap=overlap)
    seen = await managing.rotate(scope, source_id, fresh)
    return document(source_out(seen))


@routes.delete(
    "/{source_id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    status=204,
    summary="Remove a source",
    errors=(SourceNotFound,),
)
async def remove_source(scope: ScopeDep, source_id: str) -> Response:
    """What it brought stays in the log."""
    await managing.remove(scope, source_id)
    return no_content()


@routes.get(
    "/{source_id}/refused",
    permission=READ,
    limit="other",
    response_model=RefusedList,
    summary="What a source refused of late, and why",
    errors=(SourceNotFound,),
)
async def list_refused(scope: ScopeDep, paging: PageDep, source_id: str) -> Response:
    """Newest first; the last thousand, for a day."""
    page = await looking.refused(scope, source_id, paging.ask)
    shown = Page([refused_out(one) for one in page.items], page.next_after, has_more=page.has_more)
    return paging.listing("items", shown)
