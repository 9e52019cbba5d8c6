"""The app's event queue: made once, joined by each seller, read in order, confirmed by reading (marketplaces.md 4.6).

The app reads its queue in its own name; a seller's own token puts the seller's events there.
"""

from base64 import b64encode

import msgspec

from isthmus.client.errors import MalformedBody
from isthmus.connect import granting, judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Desk, Pulled, Session

_QUEUES = "/v1/queues"
_TOKEN = "/sc/oauth2/token"  # noqa: S105 - a path


class _Queue(msgspec.Struct):
    code: Loose = None
    name: Loose = None


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw] = []
    ack_id: Loose = None


class _Joined(msgspec.Struct):
    active: Loose = None


_QUEUE = reading.decoder(_Queue)
_JOINED = reading.decoder(_Joined)
_BATCH = reading.decoder(_Batch)


async def open_queue(desk: Desk, name: str) -> str:
    """Make the queue; a name that is there already answers with the same queue."""
    answer = await desk.client.post(f"{desk.app.hosts['api']}{_QUEUES}", {"name": name}, headers=await _signed_in(desk))
    code = judging.decoded(answer, _QUEUE).code
    if not isinstance(code, str) or not code:
        raise MalformedBody("the answer names no queue", reason="shape")
    return code


async def join(session: Session, queue: str, topics: frozenset[str]) -> frozenset[str]:
    """Subscribe one seller to each kind of event; those that the answers call active.

    Nothing lists a seller's subscriptions (4.6): asking anew is the only way to learn of them, and brings them back.
    """
    place = f"{session.app_hosts['api']}{_QUEUES}/{queue}/subscriptions"
    answers = {topic: await session.client.post(place, {"event_type": topic}) for topic in sorted(topics)}
    return frozenset(topic for topic, answer in answers.items() if judging.decoded(answer, _JOINED).active is True)


async def pull(desk: Desk, queue: str, place: str) -> Pulled:
    """The next events; giving the place of the last batch confirms that one."""
    address = f"{desk.app.hosts['api']}{_QUEUES}/{queue}/events/pull"
    answer = await desk.client.post(address, {"ack_id": place or None}, headers=await _signed_in(desk))
    found = judging.decoded(answer, _BATCH)
    bodies = [bytes(one) for one in found.events]
    return Pulled(bodies, "" if found.ack_id is None else str(found.ack_id), bool(bodies))


async def _signed_in(desk: Desk) -> dict[str, str]:
    """The app's own token, asked for each time: connectors keep nothing."""
    credentials = f"{desk.app.secret('client_id')}:{desk.app.secret('client_secret')}".encode()
    answer = await desk.client.post(
        f"{desk.app.hosts['auth']}{_TOKEN}",
        form={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {b64encode(credentials).decode()}"},
    )
    token = granting.tokens(answer, desk.clock.now()).access_token
    return {"Authorization": f"Bearer {token.reveal()}"}
