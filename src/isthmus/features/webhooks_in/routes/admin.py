"""Sources of the deployment's own apps, for its operators: one address serves every shop of an app."""

from starlette.responses import Response

from isthmus.features.catalog import ProviderNotFound
from isthmus.features.webhooks_in.errors import PushesNothing, SourceNotFound, TooManySources
from isthmus.features.webhooks_in.routes.shapes import AddSource, SourceList, SourceOut, source_out, wanted_source
from isthmus.features.webhooks_in.routes.subscriptions import SubscriptionList, subscription_out
from isthmus.features.webhooks_in.service import managing, subscribing
from isthmus.http import PageDep, Routes, ScopeDep, created, document, no_content
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, Permission, permission

OPERATE: Permission = permission("webhook_source:operate", "Manage webhook sources of the apps", SUPER_ADMIN)
routes: Routes = Routes(prefix="/api/admin/webhooks", tag="Webhooks in")


@routes.get("/sources", permission=OPERATE, limit="other", response_model=SourceList, summary="Sources of our apps")
async def list_app_sources(scope: ScopeDep, paging: PageDep) -> Response:
    """Oldest first."""
    page = await managing.sources(scope.platform(), paging.ask)  # house: platform - the deployment's own apps
    shown = Page([source_out(one) for one in page.items], page.next_after, has_more=page.has_more)
    return paging.listing("items", shown)


@routes.post(
    "/sources",
    permission=OPERATE,
    limit="other",
    response_model=SourceOut,
    status=201,
    summary="Make an address for an app's pushes",
    errors=(ProviderNotFound, PushesNothing, TooManySources),
    secret_fields=("url",),
)
async def add_app_source(scope: ScopeDep, body: AddSource) -> Response:
    """The address is shown once; what comes in there goes to the tenants whose shops it is about."""
    wanted = wanted_source(body, None)
    seen = await managing.add(scope.platform(), wanted)  # house: platform - the deployment's own apps
    return created(source_out(seen), location=f"/api/admin/webhooks/sources/{seen.source.id}")


@routes.delete(
    "/sources/{app_source_id}",
    permission=OPERATE,
    limit="other",
    response_model=None,
    status=204,
    summary="Remove an app's address",
    errors=(SourceNotFound,),
)
async def remove_app_source(scope: ScopeDep, app_source_id: str) -> Response:
    """What it brought stays in the logs."""
    await managing.remove(scope.platform(), app_source_id)  # house: platform - the deployment's own apps
    return no_content()


@routes.get(
    "/subscriptions",
    permission=OPERATE,
    limit="other",
    response_model=SubscriptionList,
    summary="What platforms were asked to push",
)
async def list_subscriptions(scope: ScopeDep) -> Response:
    """Compared with what the platforms say every day, and mended."""
    rows = await subscribing.listed(scope.platform())  # house: platform - the deployment's own apps
    return document(SubscriptionList(items=[subscription_out(row) for row in rows]))
