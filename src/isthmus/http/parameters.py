"""What parameters mean: said here once for all routes that say nothing of their own."""

import re
from collections.abc import Mapping
from typing import Any, Final

#: Of the path, by name; any other `..._id` is the id of what its name says, and `id` of what the path says before it.
_PATH: Final[Mapping[str, str]] = {
    "app_source_id": "The source's id.",
    "category": "The provider's category.",
    "change_id": "The id of the change that waits.",
    "delivery_id": "The id of what was delivered.",
    "glass_id": "The id of this entry into a tenant.",
    "identity_id": "The id of the login at an issuer.",
    "issuer": "The issuer's name in this deployment.",
    "merchant_id": "The merchant's id, which is the tenant's.",
    "name": "Its name in this deployment.",
    "path": "The path at the platform, as it is written there.",
    "provider": "The provider's id.",
    "registration": "The id of the app's registration.",
    "start": "The byte at which this part begins, counted from 0.",
    "type": "The type of the events.",
    "user_id": "The person's id, as it stands in their tokens.",
    "version": "The number of the version.",
}
#: What the path calls otherwise than people do.
_NOUNS: Final[Mapping[str, str]] = {
    "api-keys": "API key",
    "connect": "connect session",
    "pushes": "push",
    "{category}": "provider",
}
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
    if name != "id":
        return f"The {name.removesuffix('_id').replace('_', ' ')}'s id." if name.endswith("_id") else None
    before = re.search(r"([^/]+)/\{id\}", path)
    if before is None:
        return None
    noun = _NOUNS.get(before[1]) or re.sub("s$", "", before[1].replace("-", " ").replace("ies", "y"))
    return f"The {noun}'s id."
