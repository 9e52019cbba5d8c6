"""`/api/products/export`: the catalogue as a file."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from isthmus.features.uploads.routes.shapes import READ
from isthmus.features.uploads.service import exporting
from isthmus.http import Routes, ScopeDep, attachment

routes = Routes(prefix="/api/products", tag="Products")


@routes.get(
    "/export",
    permission=READ,
    limit="other",
    response_model=None,
    media_type="text/csv",
    summary="Products as a file",
    step_up=True,
    deadline=3_600.0,
    heavy="export",
)
async def export_products(
    scope: ScopeDep,
    format: Annotated[Literal["csv", "ndjson"], Query()] = "csv",  # noqa: A002 - the parameter's name on the wire
    connection_id: Annotated[
        str | None, Query(alias="connectionId", description="Only this shop's; `own` for what was uploaded.")
    ] = None,
) -> Response:
    """Every listing, in the form that the upload reads back; cells that a spreadsheet would run are guarded."""
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
    headers = attachment(f"products.{format}")
    return StreamingResponse(exporting.exported(scope, format, connection_id), media_type=kind, headers=headers)
