"""`/api/webhooks/settings/retention`: how long a tenant's deliveries are kept, those that came in too."""

from pydantic import Field
from starlette.responses import Response

from isthmus.features.webhooks_out.errors import RetentionChangedMeanwhile, WrongRetention
from isthmus.features.webhooks_out.routes.access import MANAGE, READ
from isthmus.features.webhooks_out.service import retaining as service
from isthmus.http import Answer, Routes, ScopeDep, Wire, document

routes: Routes = Routes(prefix="/api/webhooks/settings", tag="Webhooks")


class Retention(Wire):
    """For how many days deliveries with what came back are kept, and events with their bodies."""

    days: int = Field(ge=1)
    event_days: int | None = Field(
        default=None, ge=1, description="Fewer than the deployment keeps them; absent: as long as the deployment does."
    )


class RetentionOut(Answer, frozen=True, kw_only=True):
    """For how many days deliveries with what came back are kept, and events with their bodies; null: for ever."""

    days: int
    event_days: int | None
    etag: str


def _out(found: service.Kept) -> RetentionOut:
    return RetentionOut(days=found.days, event_days=found.event_days, etag=found.etag)


@routes.get("/retention", permission=READ, limit="other", response_model=RetentionOut, summary="How long is kept")
async def get_retention(scope: ScopeDep) -> Response:
    """The tenant's own numbers of days, or the deployment's."""
    return document(_out(await service.kept(scope)))


@routes.put(
    "/retention",
    permission=MANAGE,
    limit="other",
    response_model=RetentionOut,
    summary="Choose how long is kept",
    errors=(WrongRetention,),
    if_changed=RetentionChangedMeanwhile,
)
async def put_retention(scope: ScopeDep, body: Retention) -> Response:
    """Attempts from now on are dropped with their day; deliveries and events go by their age, also those there are.

    A delivery that still waits when its event is forgotten ends as a dead letter with `event_forgotten`. What the audit
    log is made of is kept in any case.
    """
    return document(_out(await service.keep(scope, body.days, body.event_days)))
