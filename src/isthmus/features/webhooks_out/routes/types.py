"""`/api/webhooks/event-types`: what can be subscribed to, and a tenant's own types."""

from typing import Any

from pydantic import Field, JsonValue
from starlette.responses import Response

from isthmus.features.webhooks_out.errors import EventTypeChangedMeanwhile, EventTypeNotFound, TooManyTypes, WrongSchema
from isthmus.features.webhooks_out.routes.access import MANAGE, READ
from isthmus.features.webhooks_out.service import publishing as service
from isthmus.http import Answer, Routes, ScopeDep, Wire, document, no_content

routes: Routes = Routes(prefix="/api/webhooks/event-types", tag="Webhooks")


class PutEventType(Wire):
    """A type of one's own; `data_schema` is the JSON schema of the message's `data`."""

    description: str = Field(default="", max_length=500)
    data_schema: dict[str, JsonValue] = Field(default_factory=dict)


class EventTypeOut(Answer, frozen=True, kw_only=True):
    """A type with the JSON schema of its messages; `own` types are the tenant's."""

    type: str
    version: int
    description: str
    own: bool
    schema: dict[str, Any]
    etag: str | None


class EventTypeList(Answer, frozen=True, kw_only=True):
    """Every type."""

    items: list[EventTypeOut]


@routes.get("", permission=READ, limit="other", response_model=EventTypeList, summary="Event types with their schemas")
async def list_types(scope: ScopeDep) -> Response:
    """Those of the platform and the tenant's own."""
    found = await service.event_types(scope)
    return document(EventTypeList(items=[EventTypeOut(**one) for one in found]))


@routes.put(
    "/{type}",
    permission=MANAGE,
    limit="other",
    response_model=EventTypeOut,
    summary="Register an event type",
    errors=(WrongSchema, TooManyTypes),
    if_changed=EventTypeChangedMeanwhile,
)
async def put_type(scope: ScopeDep, type: str, body: PutEventType) -> Response:  # noqa: A002 - its name on the wire
    """Its name begins with `custom.`; events are checked against the schema, and another schema is another version."""
    found = await service.register(scope, type, body.description, body.data_schema)
    return document(EventTypeOut(**found))


@routes.delete(
    "/{type}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Remove an event type of one's own",
    status=204,
    errors=(EventTypeNotFound,),
)
async def delete_type(scope: ScopeDep, type: str) -> Response:  # noqa: A002 - as above
    """Events that were published stay in the log."""
    await service.remove(scope, type)
    return no_content()
