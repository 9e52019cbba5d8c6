"""What the properties of public events mean, where many rooms use one word for the same thing."""

from collections.abc import Mapping
from typing import Any, Final

_MEANINGS: Final[Mapping[str, str]] = {
    "accountId": "The account's id at the platform.",
    "accountName": "The account's name at the platform.",
    "action": "What was to be done: `confirm`, `pack`, `ready_to_ship`, `track`, `delivered`, `cancel` and the like.",
    "actionId": "The action, as `/api/orders/actions` shows it.",
    "code": "Why not: a stable word.",
    "conflictId": "The conflict, as `/api/sync/conflicts` shows it.",
    "connectionId": "The connection it came about through.",
    "created": "Records that were new.",
    "currency": "ISO 4217.",
    "customer": "The person's id at the platform; empty where a whole shop is meant.",
    "customerId": "The person's id here; null where nothing is kept of them.",
    "disabledAt": "When it is disabled unless it answers before.",
    "drift": "How many records differed from what the reads before had told.",
    "entity": "`products`, `orders`, or a type of records.",
    "error": "Why; empty without a failure.",
    "event": "Our name for what happened, such as `order.updated`.",
    "externalId": "The id at the platform.",
    "failed": "Records that could not be read; each is kept as an item error.",
    "failingSince": "Since when every attempt has failed.",
    "failures": "Attempts that failed in a row.",
    "field": "The field that both sides changed.",
    "grandTotal": "What the buyer pays, as a decimal in `currency`.",
    "handler": "Which handler gave up: `sync`, or an id.",
    "hops": "How often the message had passed through a forwarder.",
    "id": "The same as `subject`.",
    "integrationId": "The integration it belongs to.",
    "itemId": "The inventory item.",
    "listingId": "The listing, as `/api/listings` shows it.",
    "listings": "Listings that were read.",
    "message": "The same for people; null where there is nothing to add.",
    "missing": "Records that were here and are no longer there.",
    "mode": "How much was read: `full`, `incremental`, `since` a date, or single `items`.",
    "name": "The name that people see.",
    "number": "The order's number as buyer and seller know it.",
    "object": "The id at the platform of what it is about.",
    "occurredAt": "When it happened, by the platform's clock; null where it does not say.",
    "orderId": "The order, as `/api/orders` shows it.",
    "orderIds": "The person's orders that are kept here.",
    "ours": "The value that was wanted here.",
    "pages": "Pages that were read.",
    "payload": "The body as it came, or what the handler's transformation made of it.",
    "placedAt": "When the buyer ordered.",
    "platformStatus": "The platform's own word for `status`.",
    "previousStatus": "The status before.",
    "productId": "The product it belongs to.",
    "provider": "Which platform: the provider's id.",
    "pushId": "The push, as `/api/sync/pushes` shows it.",
    "receivedAt": "When it came in here.",
    "reason": "Why, in words.",
    "records": "Records that were read.",
    "requestedOrders": "The orders that the platform named, by its own ids.",
    "result": "`done`, or how it failed.",
    "runId": "The run, as `/api/sync/runs` shows it.",
    "shardType": "Which part of the type, where a platform keeps it in several.",
    "sku": "The merchant's own number of the item; null where it has none.",
    "sourceId": "The webhook source at which it came in.",
    "stock": "How many there are to sell; null where it is not known.",
    "suspects": "Records that were not seen any more; a person says whether they are deleted.",
    "theirs": "The value that the platform has.",
    "topic": "The platform's own word for the event.",
    "unchanged": "Records that were as before.",
    "updated": "Records that had changed.",
    "url": "The endpoint's address.",
    "value": "The value that counts now.",
    "variant": "The variant's id at the platform; empty for a field of the whole listing.",
    "variants": "Variants that were read.",
    "winner": "Whose value counts: `ours`, `theirs`, a third `value`, or `agreed`.",
    # where a word means another thing in one family of events
    "connection.error": "What the last test failed with.",
    "connection.reason": "Why, as a stable word.",
    "listing.status": "`active`, `inactive`, `pending`, `rejected`, `banned`, `deleted`, `draft` or `unknown`.",
    "order.done": "Lines with which it was done.",
    "order.failed": "Lines with which it was not.",
    "order.items": "Each line with what became of it.",
    "order.reason": "Why not, in the platform's words.",
    "order.state": "Where the action stands: `done`, `refused` or `unsure`.",
    "order.status": "`processing`, `shipped`, `delivered`, `cancelled` and the like; `unknown` for a word of the "
    "platform that is not known here.",
    "privacy.what": "`customer` or `shop`.",
    "product.how": "By what it was linked.",
    "product.listings": "The listings that are one product now.",
    "product.variants": "The variants, each with the item that it is.",
    "product.variant": "The variant's id at the platform.",
    "push.agreed": "Items that showed the value already.",
    "push.cancelled": "Items that were taken back before they were sent.",
    "push.done": "Items that the platform has taken.",
    "push.refused": "Items that the platform refused.",
    "push.superseded": "Items whose place a newer wish took.",
    "push.yielded": "Items where the platform's own change won.",
    "sync.state": "The run's: `queued`, `running`, `cancelling`, `succeeded`, `failed`, `cancelled` or `parked`.",
    # where one event means another thing
    "webhook.dead.reason": "Why the handler gave up.",
    "webhook.endpoint_disabled.reason": "`gone` after a 410, or `failing`.",
    "webhook.endpoint_failing.reason": "`failing`.",
    "webhook.endpoint_paused.reason": "Who made it has left or lost the right, or the tenant is suspended.",
    "webhook.received.shardType": "The type of record that it is about, as `allowedShardTypes` names it.",
}


def explained(type_: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The same properties, each with what it means; what a room itself says of one stays."""
    return {name: _explained(type_, name, dict(schema)) for name, schema in properties.items()}


def _explained(type_: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    group = type_.partition(".")[0]
    places = (f"{type_}.{name}", f"{group}.{name}", name)
    meaning = next((_MEANINGS[place] for place in places if place in _MEANINGS), None)
    if meaning is not None:
        schema = {"description": meaning} | schema
    if "properties" in schema:
        schema["properties"] = explained(type_, schema["properties"])
    if isinstance(schema.get("items"), Mapping):
        inner = dict(schema["items"])
        if "properties" in inner:
            inner["properties"] = explained(type_, inner["properties"])
        schema["items"] = inner
    return schema
