"""Saved mappings of columns: `/api/merchants/{merchantId}/product-sync/mappings`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from isthmus.features import access
from isthmus.features.access import MerchantNotFound
from isthmus.features.uploads.errors import MappingChangedMeanwhile, MappingInUse, WrongMapping
from isthmus.features.uploads.routes.shapes import MANAGE, READ
from isthmus.features.uploads.service import managing
from isthmus.http import Answer, Routes, ScopeDep, Wire, created, document, no_content
from isthmus.kit.errors import NotFound

routes = Routes(prefix="/api/merchants/{merchant_id}/product-sync/mappings", tag="Product sync", envelope=True)


class NewMapping(Wire):
    """Which columns of a file mean what: `key` (a column or several), `product` and `variant` (field -> column)."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    mapping: dict[str, Any]


class ColumnMappingOut(Answer, frozen=True, kw_only=True):
    """A saved mapping, written out."""

    id: str
    name: str
    mapping: dict[str, Any]
    created_at: datetime
    etag: str


class MappingList(Answer, frozen=True, kw_only=True):
    """The saved mappings by name."""

    items: list[ColumnMappingOut]


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=ColumnMappingOut,
    summary="Save a mapping of columns",
    status=201,
    errors=(MerchantNotFound, WrongMapping),
    if_changed=MappingChangedMeanwhile,
)
async def save_mapping(scope: ScopeDep, merchant_id: str, body: NewMapping) -> Response:
    """One of the same name is replaced and keeps its id."""
    access.check_merchant(scope, merchant_id)
    saved = await managing.save_mapping(scope, body.name, body.mapping)
    return created(_out(saved), location=f"/api/merchants/{merchant_id}/product-sync/mappings/{saved['id']}")


@routes.get(
    "",
    permission=READ,
    limit="other",
    response_model=MappingList,
    summary="Saved mappings",
    errors=(MerchantNotFound,),
)
async def list_mappings(scope: ScopeDep, merchant_id: str) -> Response:
    """By name."""
    access.check_merchant(scope, merchant_id)
    return document(MappingList(items=[_out(one) for one in await managing.mappings(scope)]))


@routes.delete(
    "/{mapping_id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Remove a saved mapping",
    status=204,
    errors=(MerchantNotFound, NotFound, MappingInUse),
)
async def remove_mapping(scope: ScopeDep, merchant_id: str, mapping_id: str) -> Response:
    """Uploads that were begun with it keep it."""
    access.check_merchant(scope, merchant_id)
    await managing.remove_mapping(scope, mapping_id)
    return no_content()


def _out(row: Mapping[str, Any]) -> ColumnMappingOut:
    return ColumnMappingOut(
        id=row["id"],
        name=row["name"],
        mapping=row["format"],
        created_at=row["created_at"],
        etag=managing.etag_of(row),
    )
