"""The catalog as merchants see it (document 002, Tenant Integration Endpoints)."""

from collections import Counter
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Depends, Query
from starlette.responses import Response

from isthmus.connect.manifest import AuthKind, Category, IntegrationType
from isthmus.features.catalog.errors import ProviderNotFound
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.routes.shapes import (
    CategoryList,
    CategoryOut,
    ProviderDetail,
    ProviderList,
    detail_of,
    shown_of,
)
from isthmus.features.catalog.service import plans, readiness
from isthmus.features.catalog.service import providers as service
from isthmus.features.catalog.service.providers import Filters
from isthmus.http import PageDep, Routes, ScopeDep, document
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, Permission, permission
from isthmus.scope import Scope

READ: Permission = permission("catalog:read", "See which providers can be connected.", SUPER_ADMIN, TENANT_ADMIN, USER)

routes = Routes(prefix="/api/integrations", tag="Catalog")


Sort = Literal["name", "category", "createdAt", "updatedAt", "featured"]


async def _wanted(
    category: Annotated[Category | None, Query()] = None,
    integration_type: Annotated[IntegrationType | None, Query(alias="integrationType")] = None,
    auth_type: Annotated[AuthKind | None, Query(alias="authType")] = None,
    featured: Annotated[bool | None, Query(description="Only those that the deployment puts first.")] = None,
    app_ready: Annotated[
        bool | None,
        Query(alias="appReady", description="Only those that need an app and have it, or have it not."),
    ] = None,
    search: Annotated[str, Query(max_length=200, description="Forgives accents and typing errors.")] = "",
) -> Filters:
    return Filters(
        category=category,
        integration_type=integration_type,
        auth=auth_type,
        featured=featured,
        app_ready=app_ready,
        search=search,
    )


@routes.get("", permission=READ, limit="integration", response_model=ProviderList, summary="The catalog")
async def list_providers(
    scope: ScopeDep,
    paging: PageDep,
    wanted: Annotated[Filters, Depends(_wanted)],
    sort_by: Annotated[Sort | None, Query(alias="sortBy")] = None,
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "asc",
) -> Response:
    """Providers that can be connected: audience `tenant`, status `active`; `included` says what your plan gives.

    `appReady` is false where an operator has yet to set the app that people agree to: connecting is refused until then.
    """
    filters = replace(wanted, sort_by=sort_by, sort_order=sort_order)
    page = await service.providers(scope, filters=filters, ask=paging.ask)
    plan = await plans.plan_of(scope) if any(one.premium for one in page.items) else None
    rows = [shown_of(one, included=plans.included(scope, one, plan)) for one in page.items]
    return paging.listing("providers", Page(rows, total=page.total, has_more=page.has_more))


@routes.get(
    "/categories",
    permission=READ,
    limit="integration",
    response_model=CategoryList,
    summary="What the catalog holds",
)
async def list_categories(scope: ScopeDep) -> Response:
    """How many providers there are of each category and type, and which are put first."""
    listed = await service.listed_providers(scope)
    categories = Counter(one.category for one in listed)
    answer = CategoryList(
        [CategoryOut(name, count) for name, count in sorted(categories.items(), key=lambda one: (-one[1], one[0]))],
        dict(sorted(Counter(one.integration_type for one in listed).items())),
        [one.id for one in listed if one.featured],
        len(listed),
    )
    return document(answer)


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
    return await _shown(scope, found)


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
    return await _shown(scope, await service.provider(scope, provider))


async def _shown(scope: Scope, found: Provider) -> Response:
    plan = await plans.plan_of(scope) if found.premium else None
    return document(detail_of(await readiness.seen(scope, found), included=plans.included(scope, found, plan)))
