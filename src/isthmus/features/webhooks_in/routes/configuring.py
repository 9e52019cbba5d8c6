"""`/api/config/{connection_id}/webhook`: the address at which a connection's platform pushes."""

from typing import Annotated

from pydantic import Field, SecretStr
from starlette.responses import Response

from isthmus.features import connections
from isthmus.features.connections import ConnectionNotFound
from isthmus.features.webhooks_in.errors import PushesNothing, TooManySources
from isthmus.features.webhooks_in.routes.shapes import MANAGE, READ, SourceOut, source_out
from isthmus.features.webhooks_in.service import managing
from isthmus.features.webhooks_in.service.managing import Wanted
from isthmus.http import Answer, Routes, ScopeDep, Wire, created, document
from isthmus.kit.secret import Secret

routes: Routes = Routes(prefix="/api/config", tag="Configuration")


class WebhookIn(Wire):
    """The secret that the platform signs with, where each shop has one of its own."""

    secret: Annotated[SecretStr | None, Field(max_length=500)] = None


class WebhooksOut(Answer, frozen=True, kw_only=True):
    """The addresses of a connection, with what is to be entered where; none for platforms that need none."""

    items: list[SourceOut]


@routes.get(
    "/{connection_id}/webhook",
    permission=READ,
    limit="other",
    response_model=WebhooksOut,
    summary="A connection's addresses for pushes",
    errors=(ConnectionNotFound,),
)
async def get_webhook(scope: ScopeDep, connection_id: str) -> Response:
    """How each address begins, what it is to be asked for, and when it was last used; the whole is shown once."""
    found = await managing.sources_of(scope, connection_id)
    return document(WebhooksOut(items=[source_out(one) for one in found]))


@routes.post(
    "/{connection_id}/webhook",
    permission=MANAGE,
    limit="other",
    response_model=SourceOut,
    status=201,
    summary="Make a connection's address for pushes",
    errors=(ConnectionNotFound, PushesNothing, TooManySources),
    secret_fields=("url",),
)
async def make_webhook(scope: ScopeDep, connection_id: str, body: WebhookIn) -> Response:
    """`url` is shown in this answer and never again: enter it at the platform as `setup` says."""
    provider = (await connections.connection(scope, connection_id)).provider
    secret = Secret(body.secret.get_secret_value()) if body.secret else None
    seen = await managing.add(scope, Wanted(provider, connection_id=connection_id, secret=secret))
    return created(source_out(seen), location=f"/api/webhooks/sources/{seen.source.id}")
