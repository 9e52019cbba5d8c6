"""`/api/webhooks/settings/retention`: how long a tenant's deliveries are kept."""

from pydantic import Field
from starlette.responses import Response

from isthmus.features.webhooks_out.errors import WrongRetention
from isthmus.features.webhooks_out.routes.access import MANAGE, READ
from isthmus.features.webhooks_out.service import retaining as service
from isthmus.http import Answer, Routes, ScopeDep, Wire, document

routes: Routes = Routes(prefix="/api/webhooks/settings", tag="Webhooks")


class Retention(Wire):
    """For how many days deliveries and what came back are kept."""

    days: int = Field(ge=1)


class RetentionOut(Answer, frozen=True, kw_only=True):
    """For how many days deliveries and what came back are kept."""

    days: int


@routes.get("/retention", permission=READ, limit="other", response_model=RetentionOut, summary="How long is kept")
async def get_retention(scope: ScopeDep) -> Response:
    """The tenant's own number of days, or the deployment's."""
    return document(RetentionOut(days=await service.kept_days(scope)))


@routes.put(
    "/retention",
    permission=MANAGE,
    limit="other",
    response_model=RetentionOut,
    summary="Choose how long is kept",
    errors=(WrongRetention,),
)
async def put_retention(scope: ScopeDep, body: Retention) -> Response:
    """Attempts from now on are dropped with their day; deliveries go by their age, also those that are there."""
    return document(RetentionOut(days=await service.keep(scope, body.days)))
