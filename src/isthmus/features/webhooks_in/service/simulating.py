"""Sends a signed sample, marked as such: through our own intake, where it reaches no handler unasked, or to one of the
tenant's endpoints, as the platform itself would send it there (security.md WH-13)."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from isthmus.connect.webhooks import Sample, Webhooks
from isthmus.features import catalog, webhooks_out
from isthmus.features.webhooks_in.errors import CannotSimulate, PushesNothing, SourceNotFound
from isthmus.features.webhooks_in.events import Simulated
from isthmus.features.webhooks_in.model import signing
from isthmus.features.webhooks_in.model.deliveries import LiveSource
from isthmus.features.webhooks_in.model.inbound import Request
from isthmus.features.webhooks_in.service import finding
from isthmus.features.webhooks_in.service.intake import Intake, Taken
from isthmus.features.webhooks_in.settings import Settings
from isthmus.http import Arrival
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

#: What a sample bears that an endpoint is sent.
_MARK = "isthmus-simulated"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which sample to send; a given body takes the place of the sample's own."""

    topic: str | None = None
    body: str | None = None
    headers: Mapping[str, str] | None = None
    #: Whether it is to reach the handlers, as what the platform itself sends would.
    handlers: bool = False


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose samples, and what they are signed with."""

    provider: str
    scheme: Webhooks
    secret: Secret
    app: Mapping[str, str]


async def of_source(scope: Scope, source_id: str) -> Signer:
    """A source's provider with its newest secret. Raises SourceNotFound, CannotSimulate."""
    source = await finding.live(scope, source_id)
    if source is None:
        raise SourceNotFound
    return _signer(source)


def _signer(source: LiveSource) -> Signer:
    if not source.secrets:
        raise CannotSimulate
    return Signer(source.provider, source.scheme, source.secrets[0].secret, source.app)


async def of_provider(scope: Scope, provider: str, secret: Secret, app: Mapping[str, str]) -> Signer:
    """Any provider that pushes, with a secret that the caller gives. Raises ProviderNotFound, PushesNothing."""
    await catalog.told_provider(scope, provider)
    scheme = (await catalog.found(scope, provider)).manifest.webhooks
    if scheme is None or not scheme.signatures:
        raise PushesNothing
    return Signer(provider, scheme, secret, {name: value for name, value in app.items() if name in scheme.app_fields})


async def simulate(scope: Scope, source_id: str, wish: Wish) -> Taken:
    """Send one through our own intake. Raises SourceNotFound, Invalid, CannotSimulate."""
    source = await finding.live(scope, source_id)
    if source is None:
        raise SourceNotFound
    signer = _signer(source)
    sample = _sample(signer, wish)
    system, settings = System(scope.engine, scope.clock), scope.part(Settings)
    request = _signed(scope, signer, sample, finding.address(system, "simulated"))
    async with scope.tx() as tx:
        tx.emit(Simulated(subject=source_id, after={"topic": sample.topic, "handlers": wish.handlers}))
    arrival = Arrival(
        method="POST", path="", query=b"", headers={}, body=request.body, address=scope.address,
        request_id=scope.request_id,
    )  # fmt: skip
    intake = Intake(system, settings, finding.Finder(system, settings))
    return await intake.take(source, request, arrival, simulated=True, rehearsed=wish.handlers)


async def send(scope: Scope, endpoint_id: str, signer: Signer, wish: Wish) -> webhooks_out.Answered:
    """Send one to an endpoint of the tenant, once. Raises EndpointNotFound, EndpointIdle, Invalid, CannotSimulate."""
    sample = _sample(signer, wish)

    def make(url: str) -> tuple[Mapping[str, str], bytes]:
        request = _signed(scope, signer, sample, url)
        return {**request.headers, _MARK: "true"}, request.body

    answered = await webhooks_out.send_as(scope, endpoint_id, make)
    async with scope.tx() as tx:
        tx.emit(Simulated(subject=endpoint_id, after={"topic": sample.topic, "provider": signer.provider}))
    return answered


def _signed(scope: Scope, signer: Signer, sample: Sample, url: str) -> Request:
    headers = {"content-type": sample.content_type, **sample.headers}
    try:
        return signing.sign(
            signing.request("POST", url, headers, sample.body.encode()), signer.scheme, signer.secret, scope.now,
            app=signer.app, message_id=scope.id("sim"),
        )  # fmt: skip
    except ValueError:
        raise CannotSimulate from None


def _sample(signer: Signer, wish: Wish) -> Sample:
    """The platform's own, with what the wish puts in its place."""
    if not signing.signable(signer.scheme):
        raise CannotSimulate
    every = signer.scheme.samples
    found = next((one for one in every if wish.topic in (None, one.topic)), None)
    if found is None and wish.body is None:
        there = f"There are samples of: {', '.join(one.topic for one in every)}." if every else "There is no sample."
        raise Invalid.field("topic", f"{there} Give a body of your own.")
    found = found or Sample(topic=wish.topic or "", body="")
    body = found.body if wish.body is None else wish.body
    return msgspec.structs.replace(found, body=body, headers={**found.headers, **(wish.headers or {})})
