"""The catalog as merchants see it (document 002, Tenant Integration Endpoints)."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from isthmus.connect.manifest import Category
from isthmus.features.catalog.errors import ProviderNotFound
from isthmus.features.catalog.routes.shapes import ProviderDetail, ProviderList, ProviderOut, detail_of, facts_of
from isthmus.features.catalog.service import providers as service
from isthmus.features.catalog.service.providers import Filters
from isthmus.http import PageDep, Routes, ScopeDep, document
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission("catalog:read", "See which providers can be connected.", SUPER_ADMIN, TENANT_ADMIN, USER)

routes = Routes(prefix="/api/integrations", tag="Catalog")


@routes.get("", permission=READ, limit="integration", response_model=ProviderList, summary="The catalog")
async def list_providers(
    scope: ScopeDep,
    paging: PageDep,
    category: Annotated[Category | None, Query()] = None,
    search: Annotated[str, Query(max_length=200, description="Forgives accents and typing errors.")] = "",
    sort_by: Annotated[Literal["name", "category", "updatedAt"] | None, Query(alias="sortBy")] = None,
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "asc",
) -> Response:
    """Providers that can be connected: audience `tenant`, status `active`."""
    filters = Filters(category=category, search=search, sort_by=sort_by, sort_order=sort_order)
    page = await service.providers(scope, filters=filters, ask=paging.ask)
    shown = Page([ProviderOut(**facts_of(one)) for one in page.items], total=page.total, has_more=page.has_more)
    return paging.listing("providers", shown)


@routes.get(
    "/{category}/{id}",
    permission=READ,
    limit="integration",
    response_model=ProviderDetail,
    summary="One provider",
    errors=(ProviderNotFound,),
)
async def get_provider(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - the path's name
    """One provider with its form fields; the category is part of its address."""
    found = await service.provider(scope, id)
    if found.category != category:
        raise ProviderNotFound
    return document(detail_of(found))


@routes.get(
    "/{provider}",
    permission=READ,
    limit="integration",
    response_model=ProviderDetail,
    summary="One provider by its id alone",
    errors=(ProviderNotFound,),
)
async def get_provider_by_id(scope: ScopeDep, provider: str) -> Response:
    """The same as with the category in the address."""
    return document(detail_of(await service.provider(scope, provider)))
