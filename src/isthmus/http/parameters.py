"""What parameters mean: said here once for all routes that say nothing of their own."""

import re
from collections.abc import Mapping
from typing import Any, Final

#: Of the path, by name; `id` is the id of what the part of the path before it names.
_PATH: Final[Mapping[str, str]] = {
    "account_id": "The account's id.",
    "action_id": "The order action's id.",
    "app_source_id": "The source's id.",
    "category": "The provider's category.",
    "change_id": "The id of the change that waits.",
    "connection_id": "The connection's id.",
    "delivery_id": "The id of what was delivered.",
    "entry_id": "The entry's id.",
    "glass_id": "The id of this entry into a tenant.",
    "handler_id": "The handler's id.",
    "identity_id": "The id of the login at an issuer.",
    "issuer": "The issuer's name in this deployment.",
    "mapping_id": "The mapping's id.",
    "merchant_id": "The merchant's id, which is the tenant's.",
    "path": "The path at the platform, as it is written there.",
    "provider": "The provider's id.",
    "registration": "The id of the app's registration.",
    "replay_id": "The replay's id.",
    "run_id": "The run's id.",
    "source_id": "The source's id.",
    "start": "The byte at which this part begins, counted from 0.",
    "type": "The type of the events.",
    "upload_id": "The upload's id.",
    "user_id": "The person's id, as it stands in their tokens.",
    "version": "The number of the version.",
}
#: Nouns whose id is not told by the path's own word for many of them.
_NOUNS: Final[Mapping[str, str]] = {"api-keys": "API key", "{category}": "provider"}
_QUERY: Final[Mapping[str, str]] = {
    "account": "Those of this account at the platform.",
    "action": "Actions of this kind.",
    "actor": "What this user or key did, by its whole id.",
    "after": "The place to go on from: `next` of the answer before.",
    "audience": "Those for tenants, or those for the deployment alone.",
    "authType": "Those that are connected in this way.",
    "bodyPath": "A place in the JSON of bodies, such as `data.item_id`; together with `bodyValue`.",
    "bodyValue": "What stands at `bodyPath`.",
    "by": "What two listings share.",
    "category": "Those of this category.",
    "connectionId": "Of this connection alone.",
    "customerId": "Of this customer alone.",
    "endpointId": "Of this endpoint alone.",
    "entity": "Of this entity alone, such as products.",
    "event": "Of this event alone; `order.*` stands for a group.",
    "eventId": "Of this event alone.",
    "field": "About this field alone.",
    "format": "How the file is written.",
    "from": "From this time on.",
    "handler": "For this handler alone.",
    "integrationType": "Those of this type.",
    "kind": "Of this kind alone.",
    "kinds": "Of these kinds alone; all if not given.",
    "level": "Of this level alone.",
    "limit": "Most items of the answer.",
    "link": "What the `authorizationUrl` carries.",
    "listingId": "Of this listing alone.",
    "maxPrice": "At this price or less.",
    "maxStock": "With this stock or less.",
    "minPrice": "At this price or more.",
    "minStock": "With this stock or more.",
    "object": "About this object of the platform, by its id there.",
    "orderId": "Of this order alone.",
    "paymentStatus": "With this state of payment.",
    "permanent": "Remove it for good.",
    "provider": "Of this provider alone.",
    "providerName": "Of this provider alone, by its id.",
    "returnTo": "The page of this server to come back to.",
    "runId": "Of this run alone.",
    "search": "A part of the name or of what is told beside it, in any case.",
    "shardType": "Of this canonical type alone, such as contact.",
    "sku": "With this SKU, exactly.",
    "sortBy": "The field that decides the order.",
    "sortOrder": "Rising or falling.",
    "sourceId": "Of this source alone.",
    "state": "Of this state alone.",
    "status": "Of this status alone.",
    "subject": "About this object, by its id.",
    "to": "Before this time.",
    "topic": "Of this topic, as the platform calls it.",
    "type": "Of this type alone.",
    "updatedSince": "Changed at this time or later.",
}


def described(parameter: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The parameter with a description: its own, or what its name means in every route. `path` is the route's."""
    if parameter.get("description"):
        return dict(parameter)
    name = str(parameter["name"])
    said = _QUERY.get(name) if parameter["in"] == "query" else _PATH.get(name) or _of_id(name, path)
    return {**parameter, "description": said} if said else dict(parameter)


def _of_id(name: str, path: str) -> str | None:
    before = re.search(rf"([^/]+)/\{{{re.escape(name)}\}}", path)
    if name != "id" or before is None:
        return None
    plural = before[1]
    noun = _NOUNS.get(plural) or re.sub("s$", "", plural.replace("-", " ").replace("ies", "y"))
    return f"The {noun}'s id."
