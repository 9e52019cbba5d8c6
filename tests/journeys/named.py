"""Every field of every body that names something of a tenant, with a stranger's own request that names it there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.journeys.deployment import Form
from tests.journeys.routes import CASES, Asked, Case

_SINCE = {"since": "2026-01-01T00:00:00Z"}
_SYNC = "/api/merchants/{merchant_id}/product-sync"
_FILE = "product_id,title,sku,price\np1,Tea,T,1\n"
_TITLE = {"field": "title", "value": "Of the wall"}

#: What stands in braces is another tenant's; what stands in brackets, `<con>`, is the caller's own.
_BODIES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("PUT /api/config", {"schedules": [{"connectionId": "{con}", "entity": "products", "everySeconds": 3600}]}),
    ("POST /api/connect-sessions", {"integrationId": "{int}", "origin": "https://front.example.com"}),
    ("POST /api/integrations/search", {"query": "wall", "integrations": ["{int}"]}),
    ("POST /api/links", {"listingIds": ["{lst}", "<lst>"]}),
    ("POST /api/links", {"productId": "{prd}", "listingIds": ["<lst>"]}),
    ("POST /api/links/unlink", {"listingId": "{lst}"}),
    ("POST /api/listings/{id}/push", {"variants": [{"variantId": "{var}", "stock": 1}]}),
    ("POST /api/products/{id}/push", {"listings": ["{lst}"], "title": "Of the wall"}),
    ("POST /api/products/{id}/push", {"variants": [{"variantId": "{var}", "stock": 1}]}),
    ("PUT /api/products/{id}/inventory", {"items": [{"itemId": "{itm}", "stock": 1}]}),
    (f"POST {_SYNC}/config", {"source": "connection", "connectionId": "{con}"}),
    (f"POST {_SYNC}/config", {"source": "upload", "mappingId": "{map}"}),
    (f"PUT {_SYNC}/config", {"source": "connection", "connectionId": "{con}"}),
    (f"PUT {_SYNC}/config", {"source": "upload", "mappingId": "{map}"}),
    (f"POST {_SYNC}/uploads", {"name": "products.csv", "mappingId": "{map}"}),
    (f"POST {_SYNC}/upload", Form(file=_FILE, mappingId="{map}")),
    (f"POST {_SYNC}/preview", Form(file=_FILE, mappingId="{map}")),
    ("POST /api/orders/actions", {"action": "pack", "orderIds": ["{ord}"]}),
    ("POST /api/sync", {"connectionId": "{con}"}),
    ("POST /api/sync/conflicts/resolve", {"rule": "local", "connectionId": "{con}"}),
    ("POST /api/sync/conflicts/resolve", {"rule": "local", "listingId": "{lst}"}),
    ("POST /api/sync/deletions/decide", {"runId": "{run}", "decision": "approve"}),
    ("POST /api/sync/deletions/decide", {"runId": "<run>", "decision": "approve", "ids": ["{lst}"]}),
    ("POST /api/sync/orders", {"connectionId": "{con}"}),
    ("POST /api/sync/products", {"connectionId": "{con}"}),
    ("POST /api/sync/pushes", {"items": [{"listingId": "{lst}", **_TITLE}]}),
    ("POST /api/sync/refresh", {"connectionId": "{con}", "entity": "products", "externalId": "1"}),
    ("POST /api/webhooks/handlers", {"pattern": "none.*", "sourceId": "{src}"}),
    ("POST /api/webhooks/replay", {**_SINCE, "plan": True, "sourceId": "{src}"}),
    ("POST /api/webhooks/replay", {**_SINCE, "plan": True, "connectionId": "{con}"}),
    ("POST /api/webhooks/simulate", {"sourceId": "{src}"}),
    ("POST /api/webhooks/simulate", {"sourceId": "<src>", "endpointId": "{whe}"}),
    ("POST /api/webhooks/sources", {"provider": "github", "secret": "of-this-wall", "connectionId": "{con}"}),
)
#: Fields that sound like an id of a tenant's things and are none, or are read only.
NO_NAMES = {
    "clientId": "an app's, at its platform",
    "externalId": "the platform's own",
    "userId": "a person's, whom the platform need not know",
    "credentials.connectionId": "what a platform calls its own",
}
#: Routes whose fields with such names are of the deployment's own people, or say again what is stored.
NOT_OF_TENANTS = {
    "POST /api/admin/webhooks/sources": "the deployment's own source",
    "PATCH /api/tenant/integrations/{id}": "what it shows itself; another value is refused",
    "POST /api/tenant/integrations": "the provider's slug",
}


@dataclass(frozen=True)
class Naming:
    """A request whose body names something of somebody else's."""

    case: Case
    body: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.case} {sorted(self.names)}"

    @property
    def names(self) -> set[str]:
        """The fields that name it."""
        return {name for name, _ in _named(self.body)}

    @property
    def nouns(self) -> set[str]:
        """What of somebody else's it names."""
        return {noun for _, noun in _named(self.body)}

    def ask(self, own: Mapping[str, str], theirs: Mapping[str, str]) -> Asked:
        """The caller's own request, but for what its body names of theirs."""
        asked = self.case.call(own)
        filled = _filled(self.body, own, theirs)
        return Asked(asked.method, asked.path, asked.query, Form(filled) if isinstance(self.body, Form) else filled)


def _named(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _named(one, inner)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one, name)
    elif isinstance(value, str) and value.startswith("{"):
        yield name, value.strip("{}")


def _filled(value: Any, own: Mapping[str, str], theirs: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(one, own, theirs) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, own, theirs) for one in value]
    if isinstance(value, str) and value[:1] in {"{", "<"}:
        return (theirs if value[0] == "{" else own)[value[1:-1]]
    return value


_BY_NAME = {str(case): case for case in CASES}
NAMING = [Naming(_BY_NAME[route], body) for route, body in _BODIES]
