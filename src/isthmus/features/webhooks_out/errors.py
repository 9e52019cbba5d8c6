"""Failures of outbound webhooks."""

from isthmus.kit.errors import Conflict, Invalid, NotFound, Problem


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint.

    List the endpoints with `GET /api/webhooks/endpoints`; check whose token you send.
    """

    code = "WEBHOOK_ENDPOINT_NOT_FOUND"


class DeliveryNotFound(NotFound):
    """There is no such delivery.

    List them with `GET /api/webhooks/deliveries`; they are kept for `ISTHMUS_WEBHOOKS_OUT__KEEP_DAYS`.
    """

    code = "WEBHOOK_DELIVERY_NOT_FOUND"


class RecoveryNotFound(NotFound):
    """There is no such recovery.

    List them with `GET /api/webhooks/recoveries`.
    """

    code = "WEBHOOK_RECOVERY_NOT_FOUND"


class EventTypeNotFound(NotFound):
    """There is no such event type of your own.

    List the types with `GET /api/webhooks/event-types`, and register yours with `PUT`.
    """

    code = "WEBHOOK_EVENT_TYPE_NOT_FOUND"


class WrongEndpoint(Invalid):
    """The endpoint cannot be like this; `details.fields` names the field.

    Correct the field that is named, and send the request again.
    """

    code = "WEBHOOK_ENDPOINT_INVALID"

    @classmethod
    def field(cls, path: str, message: str) -> "WrongEndpoint":
        """A failure of one field."""
        return cls(message, details={"fields": [{"path": path, "message": message}]})


class DeliveryUnderWay(Conflict):
    """The delivery is planned or under way already.

    Wait for its next attempt; `nextAt` of the delivery says when.
    """

    code = "WEBHOOK_DELIVERY_UNDER_WAY"


class EndpointIdle(Conflict):
    """The endpoint takes no messages just now.

    Verify it with its test route, or activate it, then try again.
    """

    code = "WEBHOOK_ENDPOINT_IDLE"


class TooManyEndpoints(Problem):
    """This tenant has as many webhook endpoints as it may have.

    Delete one that is no longer used, or raise `ISTHMUS_WEBHOOKS_OUT__MAX_ENDPOINTS`.
    """

    code = "TOO_MANY_WEBHOOK_ENDPOINTS"
    status = 429


class EventsForgotten(Problem):
    """What followed this place is no longer kept, so events would be missed.

    Ask without `after` for the oldest that is kept; recover what was missed by the lists of what the events are about.
    """

    code = "WEBHOOK_EVENTS_FORGOTTEN"
    status = 410


class WrongRetention(Invalid):
    """Deliveries or events cannot be kept for so long; `details.fields` says how long they can.

    Choose a number of days within the limits that are named.
    """

    code = "WEBHOOK_RETENTION_INVALID"

    @classmethod
    def days(cls, path: str, most: int) -> "WrongRetention":
        """A number of days is outside the limits."""
        message = f"Between 1 and {most} days."
        return cls(message, details={"fields": [{"path": path, "message": message}]})


class WrongSchema(Invalid):
    """This cannot be the schema of an event type; the message says why.

    Send a JSON schema (2020-12) of the message's `data` that is small and needs nothing from elsewhere.
    """

    code = "WEBHOOK_SCHEMA_INVALID"


class WrongEvent(Invalid):
    """The event's data does not keep to the schema of its type; `details.fields` names the places.

    Correct the data, or register a new schema for the type.
    """

    code = "WEBHOOK_EVENT_INVALID"


class EndpointChangedMeanwhile(Conflict):
    """The endpoint was changed by somebody else since it was read, or was paused; `details.etag` is the present tag.

    Read the endpoint again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "WEBHOOK_ENDPOINT_CHANGED"


class EventTypeChangedMeanwhile(Conflict):
    """The event type was changed by somebody else since it was read.

    `details.etag` is the present tag, null where there is no such type. Read the types again, and repeat the change
    with the tag of now if it still makes sense.
    """

    code = "WEBHOOK_EVENT_TYPE_CHANGED"


class RetentionChangedMeanwhile(Conflict):
    """How long is kept was changed by somebody else since it was read; `details.etag` is the present tag.

    Read it again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "WEBHOOK_RETENTION_CHANGED"


class TooManyRecoveries(Problem):
    """Too many recoveries of this tenant run already.

    Wait until one is done, or cancel one; `GET /api/webhooks/recoveries` shows them, and
    `ISTHMUS_WEBHOOKS_OUT__RECOVERIES` says how many run at once.
    """

    code = "TOO_MANY_WEBHOOK_RECOVERIES"
    status = 429


class TooManyEvents(Problem):
    """This tenant has published as many events of its own as it may within a day.

    Wait as long as `Retry-After` says; `ISTHMUS_WEBHOOKS_OUT__EVENTS_PER_DAY` sets the limit.
    """

    code = "TOO_MANY_EVENTS"
    status = 429


class TooManyTypes(Problem):
    """This tenant has as many event types of its own as it may have.

    Remove one that is no longer used.
    """

    code = "TOO_MANY_WEBHOOK_EVENT_TYPES"
    status = 429
