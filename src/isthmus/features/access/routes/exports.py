"""`/api/tenant/export`: everything that a tenant has here, to take along (security.md ER-03)."""

from starlette.responses import Response, StreamingResponse

from isthmus.features.access.service.exporting import export_tenant
from isthmus.http import Routes, ScopeDep, attachment
from isthmus.kit.permissions import TENANT_ADMIN, permission

EXPORT = permission("tenant:export", "Take everything along that the tenant has here, persons included.", TENANT_ADMIN)

routes = Routes(prefix="/api/tenant/export", tag="Accounts")


@routes.get(
    "",
    permission=EXPORT,
    limit="other",
    response_model=None,
    media_type="application/x-ndjson",
    summary="Everything of the tenant as a file",
    step_up=True,
    deadline=3_600.0,
    heavy="export",
)
async def export(scope: ScopeDep) -> Response:
    """A line of JSON for each row, `{"table", "row"}`, and a last one with the counts: without it, it broke off.

    Names, addresses and what platforms sent are in the clear; credentials, secrets and proofs are in no export.
    """
    headers = attachment(f"{scope.tenant_id}-{scope.now:%Y%m%d}.ndjson")
    return StreamingResponse(await export_tenant(scope), media_type="application/x-ndjson", headers=headers)
