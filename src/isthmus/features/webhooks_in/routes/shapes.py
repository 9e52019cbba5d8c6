"""What inbound webhooks look like on the wire."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from pydantic import Field, SecretStr

from isthmus.features.webhooks_in.model.deliveries import Delivery
from isthmus.features.webhooks_in.service.following import Feed
from isthmus.features.webhooks_in.service.looking import Whole
from isthmus.features.webhooks_in.service.managing import Seen, Wanted
from isthmus.http import Answer, Wire
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, Permission, permission
from isthmus.kit.secret import Secret

READ: Permission = permission(
    "webhook_log:read", "See inbound webhooks and their sources", SUPER_ADMIN, TENANT_ADMIN, USER
)
MANAGE: Permission = permission(
    "webhook_log:manage", "Change webhook sources, retry and replay", SUPER_ADMIN, TENANT_ADMIN
)


class AddSource(Wire):
    """A new source. Without a secret the app registration's own counts, where the provider has one.

    `verifyToken` is what the platform shows to prove the address, where that is not the secret it signs with.
    """

    provider: str
    name: str = ""
    connection_id: str | None = None
    secret: SecretStr | None = None
    verify_token: SecretStr | None = None
    app: dict[str, str] | None = None
    filter: str | None = None
    transform: str | None = None


class ChangeSource(Wire):
    """What is to be changed. `filter` and `transform` are JMESPath over the body; null takes one away."""

    name: str | None = None
    paused: bool | None = None
    filter: str | None = None
    transform: str | None = None


class RotateSource(Wire):
    """A new address, new secrets, or both, each instead of its like.

    The old ones count for the overlap, and with 0 they end within seconds.
    """

    address: bool = False
    secret: SecretStr | None = None
    verify_token: SecretStr | None = None
    overlap_seconds: int | None = Field(default=None, ge=0, le=7 * 86_400)


class Simulate(Wire):
    """Which sample to send; a body of your own takes the place of the sample's.

    Without `endpointId` it goes through the intake of the source; with `handlers` it reaches the handlers as a real
    delivery would. With `endpointId` it is sent to that endpoint as the platform would send it, signed with the secret
    of the source, or for any provider with the secret that is given.
    """

    source_id: str | None = None
    endpoint_id: str | None = None
    provider: str | None = None
    secret: SecretStr | None = None
    app: dict[str, str] | None = None
    topic: str | None = None
    body: str | None = None
    headers: dict[str, str] | None = None
    handlers: bool = False


class SourceAddressOut(Answer, frozen=True, kw_only=True):
    """What may be shown of an address: the token's beginning, and until when it answers."""

    token_begins: str
    expires_at: datetime | None
    created_at: datetime


class SecretOut(Answer, frozen=True, kw_only=True):
    """What may be shown of a secret; its purpose is `signature` or `verify_token`."""

    id: str
    purpose: str
    expires_at: datetime | None
    created_at: datetime


class SourceOut(Answer, frozen=True, kw_only=True):
    """A source. `url` is the whole address, shown once: enter it at the provider as `setup` says, for `topics`."""

    id: str
    provider: str
    name: str
    connection_id: str | None
    uses_app_secret: bool
    paused: bool
    filter: str | None
    transform: str | None
    first_verified_at: datetime | None
    received: int
    repeated: int
    last_received_at: datetime | None
    addresses: list[SourceAddressOut]
    secrets: list[SecretOut]
    setup: str
    topics: list[str]
    url: str | msgspec.UnsetType = msgspec.UNSET
    created_at: datetime
    updated_at: datetime
    etag: str


class SourceList(Answer, frozen=True, kw_only=True):
    """A page of sources."""

    items: list[SourceOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class VerdictOut(Answer, frozen=True, kw_only=True):
    """Whether a delivery was believed, and why."""

    accepted: bool
    reason: str
    message: str


class InboundOut(Answer, frozen=True, kw_only=True):
    """A delivery. `event` is our name for what `topic` says; it is a hint, the truth is read from the platform."""

    id: str
    source_id: str
    provider: str
    connection_id: str | None
    topic: str
    event: str
    object: str
    account: str
    state: str
    reason: str | None
    attempts: int
    replays: int
    simulated: bool
    verdict: VerdictOut
    run_id: str | None
    address: str
    occurred_at: datetime | None
    received_at: datetime
    next_attempt_at: datetime | None
    done_at: datetime | None


class InboundList(Answer, frozen=True, kw_only=True):
    """A page of deliveries."""

    items: list[InboundOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class StepOut(Answer, frozen=True, kw_only=True):
    """A line of the timeline."""

    at: datetime
    what: str
    outcome: str
    message: str | None
    run_id: str | None


class TaskOut(Answer, frozen=True, kw_only=True):
    """How far one handler is with a delivery; `sync` is the built-in reader."""

    handler: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    reason: str | None
    run_id: str | None
    result: dict[str, Any] | None
    done_at: datetime | None


class StartedRunOut(Answer, frozen=True, kw_only=True):
    """A sync run that a delivery started."""

    id: str
    state: str


class WholeOut(Answer, frozen=True, kw_only=True):
    """A delivery with what was sent, and what became of it."""

    delivery: InboundOut
    method: str
    query: str
    headers: dict[str, str]
    body: str
    handlers: list[TaskOut]
    steps: list[StepOut]
    runs: list[StartedRunOut]


class FeedItem(Answer, frozen=True, kw_only=True):
    """A delivery as it was sent, byte for byte.

    In a stream the body is null where it is larger than half a MiB; the feed has it.
    """

    delivery: InboundOut
    method: str
    query: str
    headers: dict[str, str]
    body_base64: str | None


class FeedOut(Answer, frozen=True, kw_only=True):
    """What came in, oldest first; go on with `next`. Some come twice, so remember the ids of a minute."""

    items: list[FeedItem]
    next: str
    has_more: bool


class RefusedOut(Answer, frozen=True, kw_only=True):
    """A request that was not believed; kept for a day."""

    id: str
    at: datetime
    reason: str
    message: str
    address: str
    headers: dict[str, str]
    body: str


class RefusedList(Answer, frozen=True, kw_only=True):
    """A page of refused requests."""

    items: list[RefusedOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class SimulatedOut(Answer, frozen=True, kw_only=True):
    """How our own intake answered the sample, and the delivery it became; or how the endpoint answered it.

    `status` is null where nothing answered; then `reason` is the class of the failure.
    """

    status: int | None
    accepted: bool
    reason: str
    repeated: bool
    id: str | None
    duration_ms: int | None = None
    response: str | None = None


def check_body(path: str | None, value: str | None) -> None:
    """Raise Invalid where a place in the body is named without what must stand there, or the other way round."""
    if (path is None) != (value is None):
        raise Invalid.field("bodyPath", "Give bodyPath and bodyValue together.")


def secret_of(given: SecretStr | None) -> Secret | None:
    """A secret of a request, where there is one."""
    return Secret(given.get_secret_value()) if given else None


def wanted_source(body: AddSource, connection_id: str | None) -> Wanted:
    """The source that is asked for."""
    return Wanted(
        body.provider, body.name, connection_id, secret_of(body.secret), body.app, body.filter, body.transform,
        verify_token=secret_of(body.verify_token),
    )  # fmt: skip


def source_out(seen: Seen) -> SourceOut:
    """A source as it is shown."""
    one = seen.source
    return SourceOut(
        id=one.id,
        provider=one.provider,
        name=one.name,
        connection_id=one.connection_id,
        uses_app_secret=one.uses_app,
        paused=one.paused,
        filter=one.filter,
        transform=one.transform,
        first_verified_at=one.first_verified_at,
        received=seen.received,
        repeated=seen.repeated,
        last_received_at=seen.last_at,
        addresses=[
            SourceAddressOut(token_begins=row["hint"], expires_at=row["expires_at"], created_at=row["created_at"])
            for row in seen.addresses
        ],
        secrets=[SecretOut(**row) for row in seen.secrets],
        setup=seen.setup,
        topics=list(seen.topics),
        url=seen.url.reveal() if seen.url is not None else msgspec.UNSET,
        created_at=one.created_at,
        updated_at=one.updated_at,
        etag=one.etag,
    )


def delivery_out(one: Delivery) -> InboundOut:
    """A delivery as lists show it."""
    verdict = one.verdict
    return InboundOut(
        id=one.id,
        source_id=one.source_id,
        provider=one.provider,
        connection_id=one.connection_id,
        topic=one.topic,
        event=one.event,
        object=one.object,
        account=one.account,
        state=one.state,
        reason=one.reason,
        attempts=one.attempts,
        replays=one.replays,
        simulated=one.simulated,
        verdict=VerdictOut(accepted=verdict["accepted"], reason=verdict["reason"], message=verdict["message"]),
        run_id=one.run_id,
        address=one.address,
        occurred_at=one.occurred_at,
        received_at=one.received_at,
        next_attempt_at=one.next_at,
        done_at=one.done_at,
    )


def whole_out(whole: Whole) -> WholeOut:
    """A delivery as it is shown alone."""
    one = whole.delivery
    names = ("at", "what", "outcome", "message", "run_id")
    return WholeOut(
        delivery=delivery_out(one),
        method=one.method,
        query=one.query,
        headers=dict(one.headers),
        body=one.body.decode("utf-8", "replace"),
        handlers=[_task_out(row) for row in whole.tasks],
        steps=[StepOut(**{name: row[name] for name in names}) for row in whole.steps],
        runs=[StartedRunOut(id=run.id, state=run.state) for run in whole.runs],
    )


def _task_out(row: Mapping[str, Any]) -> TaskOut:
    names = ("handler", "state", "attempts", "reason", "run_id", "result", "done_at")
    return TaskOut(**{name: row[name] for name in names}, next_attempt_at=row["next_at"])


def feed_item(one: Delivery, most: int | None = None) -> FeedItem:
    """A delivery as `isthmus listen` reads it; a body of more bytes than `most` is left out."""
    omitted = most is not None and len(one.body) > most
    return FeedItem(
        delivery=delivery_out(one),
        method=one.method,
        query=one.query,
        headers=dict(one.headers),
        body_base64=None if omitted else b64encode(one.body).decode(),
    )


def feed_out(found: Feed) -> FeedOut:
    """A page of them."""
    return FeedOut(items=[feed_item(one) for one in found.items], next=found.next, has_more=found.has_more)


def refused_out(row: Mapping[str, Any]) -> RefusedOut:
    """A refused request as it is shown."""
    return RefusedOut(**{**row, "body": row["body"].decode("utf-8", "replace")})
