"""Sends a signed sample through our own intake, marked as such; it reaches no handler unasked (security.md WH-13)."""

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.connect.webhooks import Sample
from isthmus.features.webhooks_in.errors import CannotSimulate, SourceNotFound
from isthmus.features.webhooks_in.events import Simulated
from isthmus.features.webhooks_in.model import signing
from isthmus.features.webhooks_in.model.deliveries import LiveSource
from isthmus.features.webhooks_in.service import finding
from isthmus.features.webhooks_in.service.intake import Intake, Taken
from isthmus.features.webhooks_in.settings import Settings
from isthmus.http import Arrival
from isthmus.kit.errors import Invalid
from isthmus.scope import Scope, System


@dataclass(frozen=True, slots=True)
class Wish:
    """Which sample to send; a given body takes the place of the sample's own."""

    topic: str | None = None
    body: str | None = None
    headers: Mapping[str, str] | None = None
    #: Whether it is to reach the handlers, as what the platform itself sends would.
    handlers: bool = False


async def simulate(scope: Scope, source_id: str, wish: Wish) -> Taken:
    """Send one. Raises SourceNotFound, Invalid, CannotSimulate."""
    source = await finding.live(scope, source_id)
    if source is None:
        raise SourceNotFound
    sample = _sample(source, wish)
    system, settings = System(scope.engine, scope.clock), scope.part(Settings)
    headers = {"content-type": sample.content_type, **sample.headers, **(wish.headers or {})}
    body = (wish.body if wish.body is not None else sample.body).encode()
    address = finding.address(system, "simulated")
    try:
        request = signing.sign(
            signing.request("POST", address, headers, body), source.scheme, source.secrets[0].secret, scope.now,
            app=source.app, message_id=scope.id("sim"),
        )  # fmt: skip
    except (ValueError, IndexError):
        raise CannotSimulate from None
    async with scope.tx() as tx:
        tx.emit(Simulated(subject=source_id, after={"topic": sample.topic, "handlers": wish.handlers}))
    arrival = Arrival(
        method="POST", path="", query=b"", headers={}, body=body, address=scope.address, request_id=scope.request_id
    )
    intake = Intake(system, settings, finding.Finder(system, settings))
    return await intake.take(source, request, arrival, simulated=True, rehearsed=wish.handlers)


def _sample(source: LiveSource, wish: Wish) -> Sample:
    every = source.scheme.samples
    found = next((one for one in every if wish.topic in (None, one.topic)), None)
    if found is None and wish.body is None:
        raise Invalid.field("topic", f"There are samples of: {', '.join(one.topic for one in every) or 'nothing'}.")
    return found or Sample(topic=wish.topic or "", body="")
