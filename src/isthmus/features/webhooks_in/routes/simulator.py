"""The simulator over HTTP: samples of platforms, signed as they sign."""

from starlette.responses import Response

from isthmus.features.catalog import ProviderNotFound
from isthmus.features.webhooks_in.errors import CannotSimulate, PushesNothing, SourceNotFound
from isthmus.features.webhooks_in.routes.shapes import MANAGE, Simulate, SimulatedOut
from isthmus.features.webhooks_in.service import simulating
from isthmus.features.webhooks_in.service.intake import Taken
from isthmus.features.webhooks_in.service.simulating import Signer, Wish
from isthmus.features.webhooks_out import Answered, EndpointIdle, EndpointNotFound
from isthmus.http import Routes, ScopeDep, document
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

routes: Routes = Routes(prefix="/api/webhooks", tag="Webhooks in")
_SECONDS = 30.0


@routes.post(
    "/simulate",
    permission=MANAGE,
    limit="other",
    response_model=SimulatedOut,
    summary="Send a signed sample through a source, or to an endpoint",
    errors=(SourceNotFound, CannotSimulate, PushesNothing, ProviderNotFound, EndpointNotFound, EndpointIdle),
    deadline=_SECONDS,
)
async def simulate(scope: ScopeDep, body: Simulate) -> Response:
    """It is marked as simulated; through a source it reaches no handler unless that is asked for."""
    wish = Wish(body.topic, body.body, body.headers, body.handlers)
    if body.endpoint_id is not None:
        signer = await _signer(scope, body)
        return document(_answered(await simulating.send(scope, body.endpoint_id, signer, wish)))
    if body.source_id is None:
        raise Invalid.field("sourceId", "Name the source that it is to go through, or an endpoint.")
    return document(_taken(await simulating.simulate(scope, body.source_id, wish)))


async def _signer(scope: Scope, body: Simulate) -> Signer:
    if body.source_id is not None:
        return await simulating.of_source(scope, body.source_id)
    if body.provider is None or body.secret is None:
        raise Invalid.field("provider", "Name a source, or a provider with the secret that it is to sign with.")
    return await simulating.of_provider(scope, body.provider, Secret(body.secret.get_secret_value()), body.app or {})


def _taken(taken: Taken) -> SimulatedOut:
    verdict = taken.verdict
    return SimulatedOut(
        status=taken.reply.status,
        accepted=verdict is not None and verdict.accepted,
        reason=verdict.reason if verdict else "not_judged",
        repeated=taken.repeated,
        id=taken.id,
    )


def _answered(answer: Answered) -> SimulatedOut:
    outcome = answer.outcome
    return SimulatedOut(
        status=outcome.status,
        accepted=outcome.delivered,
        reason=outcome.error or ("delivered" if outcome.delivered else "refused"),
        repeated=False,
        id=None,
        duration_ms=answer.took_ms,
        response=None if answer.body is None else answer.body.decode("utf-8", "replace"),
    )
