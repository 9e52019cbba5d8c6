"""Every route of the product with how to call it; one that stands in no table here fails the tests of all routes."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.given import orders as made
from tests.journeys.deployment import Deployment, Form, Merchant

from isthmus.app import FEATURES
from isthmus.connect.edits import EditField
from isthmus.connect.record import Record
from isthmus.features import access, fulfilment, orders, records, webhooks_in
from isthmus.features.fulfilment.store import ActionFilter, Opening, open_action
from isthmus.features.pushes.model.edits import LiveEdit, Place, Winner
from isthmus.features.pushes.model.edits import State as EditState
from isthmus.features.pushes.model.merging import Rule
from isthmus.features.pushes.store.conflicts import Found
from isthmus.features.pushes.store.conflicts import add as add_conflicts
from isthmus.features.pushes.store.pushes import open_push
from isthmus.http import App, create_app
from isthmus.http.routes import DeclaredRoute, Public
from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, Permission, system
from isthmus.kit.secret import Secret
from isthmus.sandbox import walk
from isthmus.scope import Scope, System

#: Place of a path parameter -> the noun whose id stands there; None where it is no tenant's.
PATHS: Mapping[str, str | None] = {
    "/api/connections/{id}": "con",
    "/api/config/{connection_id}": "con",
    "/api/tenant/integrations/{id}": "int",
    "/api/proxy/{connection_id}": "con",
    "/api/proxy/{connection_id}/{path:path}": None,
    "/api/tenant/integrations/{id}/users/{user_id}": None,
    "/api/user/integrations/{id}": "int",
    "/api/connect-sessions/{id}": "cns",
    "/connect/{id}": None,
    "/api/sync/{run_id}": "run",
    "/api/sync/runs/{run_id}": "run",
    "/api/sync/pushes/{id}": "psh",
    "/api/links/buffers/{connection_id}": "con",
    "/api/sync/conflicts/{id}": "cnf",
    "/api/sync/conflicts/rules/{connection_id}": "con",
    "/api/products/{id}": "prd",
    "/api/listings/{id}": "lst",
    "/api/records/{id}": "rec",
    "/api/orders/{id}": "ord",
    "/api/orders/actions/{action_id}": "act",
    "/api/customers/{id}": "cus",
    "/api/merchants/{merchant_id}": "ten",
    "/api/admin/tenants/{id}": "ten",
    "/api/admin/tenants/{id}/break-glass/{glass_id}": "bgl",
    "/api/tenant/break-glass/{glass_id}": "bgl",
    "/api/tenant/issuer-accounts/{account_id}": "acc",
    "/api/tenant/members/{id}": "usr",
    "/api/tenant/members/{id}/identities/{identity_id}": None,
    "/api/audit/{entry_id}": "evt",
    "/api/merchants/{merchant_id}/api-keys/{id}": "key",
    "/api/merchants/{merchant_id}/product-sync/uploads/{upload_id}": "upl",
    "/api/merchants/{merchant_id}/product-sync/uploads/{upload_id}/parts/{start}": None,
    "/api/merchants/{merchant_id}/product-sync/mappings/{mapping_id}": "map",
    "/api/webhooks/endpoints/{id}": "whe",
    "/api/webhooks/deliveries/{id}": "dlv",
    "/api/webhooks/recoveries/{id}": "rcv",
    "/api/webhooks/event-types/{type}": None,
    "/api/webhooks/sources/{source_id}": "src",
    "/api/admin/webhooks/sources/{app_source_id}": None,
    "/api/webhooks/handlers/{handler_id}": "hdl",
    "/api/webhooks/functions/{function_id}": "fun",
    "/api/webhooks/replay/{replay_id}": "rpl",
    "/api/webhooks/{delivery_id}": "inb",
    "/api/admin/integrations/{category}": None,
    "/api/admin/integrations/{category}/{id}": None,
    "/api/admin/integrations/{category}/{id}/versions/{version}": None,
    "/api/admin/provider-changes/{change_id}": None,
    "/api/auth/oidc/{issuer}": None,
    "/api/auth/identities/{identity_id}": None,
    "/api/admin/login-issuers/{name}": None,
    "/api/integrations/{id}": "int",
    "/api/integrations/{category}": None,
    "/api/integrations/{category}/{id}": None,
    "/api/integrations/{provider}": None,
    "/api/integrations/oauth/callback/{registration}": None,
}
PLAIN = {
    "app_source_id": "src_nobodys",
    "change_id": "pch_nobodys",
    "identity_id": "lgn_nobodys",
    "issuer": "nowhere",
    "name": "nowhere",
    "path:path": "v1/things",
    "category": "marketplace",
    "provider": "tiki",
    "id": "tiki",
    "version": "1",
    "user_id": "amy",
    "registration": "nobodys",
    "type": "custom.wall",
    "start": "0",
}
#: Query parameters that name something of a tenant.
QUERIES: Mapping[str, str] = {
    "connectionId": "con",
    "customerId": "cus",
    "orderId": "ord",
    "runId": "run",
    "listingId": "lst",
    "subject": "con",
    "endpointId": "whe",
    "eventId": "dlv",
    "sourceId": "src",
}
HARMLESS = {
    *("topic", "object", "account", "bodyPath", "bodyValue"),
    *("query", "entities", "userId", "timeRange", "fields", "filters"),
    *("limit", "offset", "cursor", "sortBy", "sortOrder", "search", "include", "link", "against"),
    *("providerName", "permanent", "since", "kind", "kinds"),
    *(
        "shardType",
        "audience",
        "appReady",
        "integrationType",
        "authType",
        "featured",
        "category",
        "provider",
        "entity",
        "state",
        "status",
        "type",
        "actor",
        "from",
        "to",
        "updatedSince",
    ),
    *("after", "types", "event", "level", "format", "everywhere", "handler"),
    *("paymentStatus", "moneyOff", "action", "personal"),
    *("field", "by"),
    *("tenant", "returnTo", "fresh"),
    *("sku", "minStock", "maxStock", "minPrice", "maxPrice"),
}
#: Query parameters that a route cannot do without, and that name nothing of a tenant.
NEEDED: Mapping[str, Mapping[str, str]] = {
    "GET /api/auth/oidc/{issuer}/start": {"tenant": "t"},
    "GET /api/integrations/{id}/search": {"query": "wall"},
    "GET /api/tenant/integrations/{id}/widgets/data": {"entity": "products"},
}
#: A body that the route takes; `{con}` and the like stand for ids.
BODIES: Mapping[str, Mapping[str, Any]] = {
    "POST /api/customers/find": {"email": "nobody@example.com"},
    "POST /api/customers/redact": {"email": "nobody@example.com"},
    "POST /api/connections": {"provider": "tiki"},
    "PUT /api/config": {"schedules": [{"connectionId": "{con}", "entity": "products", "everySeconds": 3600}]},
    "PUT /api/config/{connection_id}": {"schedules": [{"entity": "products", "everySeconds": 3600}]},
    "PUT /api/config/{connection_id}/options": {"options": {}},
    "POST /api/config/{connection_id}/webhook": {},
    "POST /api/config/{connection_id}/pause": {},
    "POST /api/config/{connection_id}/resume": {},
    "POST /api/connections/flows": {"ticket": "{ticket}"},
    "PUT /api/connections/return-origins": {"origins": ["https://app.example.com"]},
    "POST /api/connections/{id}/reconnect": {},
    "POST /api/tenant/integrations": {"integrationId": "tiki", "name": "Of the wall"},
    "POST /api/tenant/integrations/import": {"yaml": "provider: tiki\nname: Of a file", "dryRun": True},
    "PATCH /api/tenant/integrations/{id}/credentials": {"credentialType": "api_key", "credentials": {"api_key": "k"}},
    "PATCH /api/user/integrations/{id}/credentials": {"credentialType": "api_key", "credentials": {"api_key": "k"}},
    "PATCH /api/tenant/integrations/{id}": {"description": "changed"},
    "POST /api/connect-sessions": {"integrationId": "{int}", "origin": "https://front.example.com"},
    "POST /api/connect/session": {"token": "ics_x"},
    "POST /api/connect/start": {"token": "ics_x"},
    "POST /api/connect/finish": {"token": "ics_x", "ticket": "x"},
    "POST /api/user/integrations/flows": {"ticket": "x"},
    "POST /api/user/integrations/{id}/connect/oauth": {"returnUrl": "https://app.example.com/done"},
    "POST /api/user/integrations/{id}/connect/api-key": {"apiKey": "k"},
    "POST /api/user/integrations/{id}/connect/basic": {"username": "u", "password": "p"},
    "POST /api/user/integrations/{id}/connect/custom": {"credentials": {"a": "b"}},
    "POST /api/tenant/integrations/{id}/connect/oauth": {"returnUrl": "https://app.example.com/done"},
    "POST /api/tenant/integrations/{id}/connect/api-key": {"apiKey": "k"},
    "POST /api/tenant/integrations/{id}/connect/basic": {"username": "u", "password": "p"},
    "POST /api/tenant/integrations/{id}/connect/custom": {"credentials": {"a": "b"}},
    "POST /api/integrations/search": {"query": "wall"},
    "POST /api/sync/products": {"connectionId": "{con}"},
    "POST /api/sync/orders": {"connectionId": "{con}"},
    "POST /api/sync": {"connectionId": "{con}"},
    "POST /api/orders/{id}/push": {"action": "pack"},
    "POST /api/orders/actions": {"action": "pack", "orderIds": ["ord_nobodys"]},
    "POST /api/orders/actions/{action_id}/dismiss": {"happened": False},
    "POST /api/sync/deletions/decide": {"runId": "{run}", "decision": "reject"},
    "PUT /api/products/{id}/inventory": {"items": [{"sku": "wall", "stock": 1}]},
    "PUT /api/links/buffers/{connection_id}": {"buffer": 0},
    "POST /api/links": {"listingIds": ["lst_nobodys"]},
    "POST /api/links/accept": {"by": "barcode"},
    "POST /api/links/unlink": {"listingId": "{lst}"},
    "POST /api/products/{id}/push": {"published": True},
    "POST /api/listings/{id}/push": {"published": True},
    "POST /api/sync/pushes": {"items": [{"listingId": "lst_nobodys", "field": "published", "value": True}]},
    "POST /api/sync/conflicts/resolve": {"rule": "local", "connectionId": "{con}", "dryRun": True},
    "POST /api/sync/conflicts/{id}/resolve": {"winner": "theirs"},
    "PUT /api/sync/conflicts/rules": {"stock": "lowest"},
    "PUT /api/sync/conflicts/rules/{connection_id}": {"stock": "lowest"},
    "POST /api/sync/refresh": {"connectionId": "{con}", "entity": "products", "externalId": "1"},
    "POST /api/webhooks/endpoints": {"url": "https://localhost/hook", "verify": False},
    "PATCH /api/webhooks/endpoints/{id}": {"description": "changed"},
    "POST /api/webhooks/endpoints/{id}/rotate-secret": {},
    "POST /api/webhooks/endpoints/{id}/recover": {"since": "2026-01-01T00:00:00Z"},
    "PUT /api/webhooks/event-types/{type}": {"description": "Of this wall."},
    "PUT /api/webhooks/settings/retention": {"days": 14},
    "POST /api/webhooks/sources": {"provider": "github", "secret": "of-this-wall"},
    "PATCH /api/webhooks/sources/{source_id}": {"name": "changed"},
    "POST /api/webhooks/sources/{source_id}/rotate": {"address": True},
    "POST /api/admin/webhooks/sources": {"provider": "github", "secret": "of-this-wall"},
    "POST /api/webhooks/handlers": {},
    "PATCH /api/webhooks/handlers/{handler_id}": {"name": "changed"},
    "POST /api/webhooks/simulate": {"sourceId": "{src}"},
    "POST /api/webhooks/replay": {"since": "2026-01-01T00:00:00Z", "plan": True},
    "POST /api/events": {"type": "custom.wall", "data": {"n": 1}},
    "POST /api/admin/integrations": {
        "provider": "wall",
        "name": "wall",
        "displayName": "Wall",
        "category": "custom",
        "status": "beta",
        "audience": "system",
        "authType": "none",
    },
    "PATCH /api/admin/integrations/{category}/{id}": {"description": "Of this wall."},
    "PATCH /api/admin/integrations/{category}/{id}/status": {"status": "active"},
    "PATCH /api/admin/integrations/{category}/{id}/audience": {"audience": "tenant"},
    "PUT /api/admin/integrations/{category}/{id}/app": {},
    "POST /api/admin/integrations/{category}/{id}/connection": {"apiKey": "k"},
    "POST /api/admin/integrations/import": {"yaml": "provider: wall", "dryRun": True},
    "POST /api/admin/tenants": {"name": "Wall"},
    "POST /api/admin/tenants/{id}/break-glass": {"reason": "Orders stand still", "ticket": "T-1"},
    "PATCH /api/admin/tenants/{id}": {"plan": "pro"},
    "POST /api/auth/login": {"tenant": "t", "email": "a@example.com", "password": "p"},
    "POST /api/auth/session": {"tenant": "t", "email": "a@example.com", "password": "p"},
    "POST /api/auth/oidc/{issuer}/start": {"tenant": "t"},
    "POST /api/auth/oidc/{issuer}/link": {"returnTo": "/"},
    "POST /api/admin/login-issuers": {"name": "wall", "issuer": "https://of.the.wall", "clientId": "isthmus"},
    "PATCH /api/admin/login-issuers/{name}": {"label": "Wall"},
    "POST /api/auth/step-up": {"password": "p"},
    "POST /api/auth/second-factor/confirm": {"code": "000000"},
    "POST /api/keys/found": {"key": "isk_live_x"},
    "POST /api/auth/accept": {"invitation": "isi_x", "password": "p"},
    "POST /api/auth/reset": {"reset": "isr_x", "password": "p"},
    "POST /api/auth/password": {"current": "p", "wanted": "q"},
    "POST /api/tenant/members": {"email": "a@example.com", "roles": ["user"]},
    "PATCH /api/tenant/members/{id}": {"roles": ["user"]},
    "PUT /api/tenant/issuer-accounts": {"issuer": "https://of.the.wall", "subject": "w", "roles": ["user"]},
    "POST /api/merchants/{merchant_id}/product-sync/config": {"source": "webhook"},
    "PUT /api/merchants/{merchant_id}/product-sync/config": {"source": "webhook"},
    "POST /api/merchants/{merchant_id}/product-sync/mappings": {
        "name": "till",
        "mapping": {"key": "no", "product": {"title": "name"}},
    },
    "POST /api/merchants/{merchant_id}/product-sync/upload": Form(file="product_id,title,sku,price\np1,Tea,T,1\n"),
    "POST /api/merchants/{merchant_id}/product-sync/preview": Form(file="product_id,title,sku,price\np1,Tea,T,1\n"),
    "POST /api/merchants/{merchant_id}/product-sync/uploads": {"name": "products.csv"},
    "PUT /api/merchants/{merchant_id}/product-sync/uploads/{upload_id}/parts/{start}": {"any": "bytes"},
    "POST /api/merchants/{merchant_id}/api-keys": {"name": "Till", "permissions": ["products:read"]},
    "POST /api/merchants/{merchant_id}/api-keys/{id}/rotate": {},
}
#: Nobody signs in for these; each has its own proof of who may use it, or nothing to hide.
OPEN = {
    "/api/merchants/{merchant_id}/product-sync/webhook",
    "/api/connect/session",
    "/api/connect/start",
    "/api/connect/finish",
    "/connect",
    "/connect/script.js",
    "/connect/{id}",
    "/api/auth/login",
    "/api/auth/session",
    "/api/keys/found",
    "/api/auth/accept",
    "/api/auth/reset",
    "/api/auth/oidc",
    "/api/auth/oidc/{issuer}/start",
    "/api/auth/oidc/{issuer}/callback",
    "/api/integrations/oauth/start",
    "/api/integrations/oauth/callback",
    "/api/integrations/oauth/callback/{registration}",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/api/openapi.json",
    "/api/openapi.yaml",
    "/docs",
    "/docs/style.css",
    "/docs/script.js",
    "/",
}


@dataclass(frozen=True)
class _Origin:
    """A connection, as far as records know one."""

    id: str = "con_wall"
    provider: str = "wall"


@dataclass(frozen=True)
class Case:
    """One method of one route."""

    method: str
    route: DeclaredRoute

    def __str__(self) -> str:
        return f"{self.method} {self.route.path}"

    @property
    def permission(self) -> Permission | None:
        """Who may call it; None: everybody."""
        assert self.route.declaration is not None
        given = self.route.declaration.permission
        return None if isinstance(given, Public) else given

    @property
    def codes(self) -> set[str]:
        """The failures that its documentation names."""
        documented: Mapping[int | str, Any] = self.route.responses
        schemas = [answer["content"]["application/json"]["schema"] for answer in documented.values()]
        return {
            code for one in schemas for code in one["allOf"][1]["properties"]["error"]["properties"]["code"]["enum"]
        }

    def nouns(self) -> set[str]:
        """What it can be asked about: nouns in its path, query and body."""
        in_path = {PATHS[place] for place in self.places()}
        in_query = {QUERIES[name] for name in self.route.known_query if name in QUERIES}
        in_body = {one.strip("{}") for one in self.texts().values() if one.startswith("{")}
        return {noun for noun in in_path | in_query | in_body if noun}

    @property
    def narrows(self) -> bool:
        """Whether what it names only narrows a list of one's own."""
        return self.method == "GET" and not any(PATHS[place] for place in self.places())

    @property
    def for_tenants(self) -> bool:
        """Whether people of a tenant may call it; else it is for the deployment's own."""
        return self.permission is not None and TENANT_ADMIN in self.permission.roles

    @property
    def streams(self) -> bool:
        """Whether its answer never ends."""
        return self.route.declaration is not None and self.route.declaration.stream

    @property
    def passes_on(self) -> bool:
        """Whether its query and body are another system's."""
        return self.route.declaration is not None and self.route.declaration.passes_on

    def texts(self) -> Mapping[str, str]:
        """The fields of its body that are texts."""
        return {name: value for name, value in BODIES.get(str(self), {}).items() if isinstance(value, str)}

    def places(self) -> Iterator[str]:
        """The path up to and with each of its parameters."""
        parts = self.route.path.split("/")
        for at, part in enumerate(parts):
            if part.startswith("{"):
                yield "/".join(parts[: at + 1])

    def call(self, known: Mapping[str, str]) -> "Asked":
        """The request that names these ids."""
        path = self.route.path
        for place in self.places():
            name, noun = place.rpartition("/")[2], PATHS[place]
            path = path.replace(name, known[noun] if noun else PLAIN[name.strip("{}")], 1)
        query = {name: known[noun] for name, noun in QUERIES.items() if name in self.route.known_query}
        query |= NEEDED.get(str(self), {})
        body = BODIES.get(str(self))
        filled = {name: value.format(**known) for name, value in self.texts().items()}
        whole = None if body is None else {**body, **filled}
        return Asked(self.method, path, query, Form(whole) if isinstance(body, Form) and whole else whole)


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None

    @property
    def address(self) -> str:
        """Path and query."""
        return self.path + (
            "?" + "&".join(f"{name}={value}" for name, value in self.query.items()) if self.query else ""
        )


def _nobody(*_: object) -> Any:
    raise AssertionError("nothing is served here")


def application() -> App:
    """The application of all features, for its table only."""
    declared = [routes for feature in FEATURES for routes in feature.routes]
    return create_app(declared, open_scope=_nobody, authenticators=[], secret=Secret("k" * 40), figures=_nobody)


CASES = [
    Case(method, route)
    for route in sorted(application().inventory, key=lambda one: one.path)
    for method in sorted(route.methods or ())
]
SIGNED = [case for case in CASES if case.permission is not None]


def unknown() -> dict[str, str]:
    """Ids that never existed."""
    hooks = ("cns", "whe", "dlv", "rcv", "src", "hdl", "fun", "inb", "rpl", "upl", "map", "act", "psh", "cnf")
    people = ("ten", "key", "usr", "bgl", "acc", "evt")
    nouns = (*hooks, *people, "con", "cns", "int", "run", "prd", "lst", "rec", "ord", "cus")
    made = {noun: ids.new(noun, SYSTEM) for noun in nouns}
    return {**made, "ticket": ids.token(256)}


async def belongings(running: Deployment, amy: Merchant, connection: str, run: str) -> dict[str, str]:
    """The ids of what a merchant has, by noun."""
    found = (await amy.call("GET", f"/api/connections/{connection}")).body
    product = (await amy.call("GET", "/api/products?limit=1")).body["items"][0]
    return {
        "con": connection,
        "int": found["integrationId"],
        "cns": await connect_session_of(amy, found["integrationId"]),
        "run": run,
        "prd": product["id"],
        "lst": product["listings"][0]["id"],
        **await pushes_of(running, amy, connection, product["listings"][0]["id"]),
        "rec": await record_of(running, amy),
        **(order := await order_of(running, amy)),
        "act": await action_of(running, amy, order["ord"]),
        **await hooks_of(amy),
        **await inbound_of(amy),
        "fun": await function_of(running, amy),
        **await files_of(amy),
        "ten": amy.tenant_id,
        "key": await key_of(amy),
        "usr": await member_of(amy),
        "bgl": await glass_of(running, amy),
        "acc": await account_of(amy),
        "evt": await entry_of(amy),
        "ticket": await ticket_of(running, amy),
    }


async def files_of(amy: Merchant) -> dict[str, str]:
    """A file that she has begun to send, the same whenever it is asked for, a mapping, and how products are synced."""
    root = f"/api/merchants/{amy.tenant_id}/product-sync"
    await amy.call("POST", f"{root}/config", {"source": "webhook"})
    again = {"idempotency-key": "the-upload-of-the-wall"}
    begun = await amy.call("POST", f"{root}/uploads", {"name": "products.csv"}, **again)
    mapping = {"key": "no", "product": {"title": "name"}}
    saved = await amy.call("POST", f"{root}/mappings", {"name": "wall", "mapping": mapping})
    return {"upl": begun.body["data"]["id"], "map": saved.body["data"]["id"]}


async def pushes_of(running: Deployment, amy: Merchant, connection: str, listing: str) -> dict[str, str]:
    """A push of hers that ended, and a conflict that was decided; the same ones whenever they are asked for."""
    before = (await amy.call("GET", "/api/sync/conflicts")).body["items"]
    if before:
        return {"psh": (await amy.call("GET", "/api/sync/pushes")).body["items"][-1]["id"], "cnf": before[-1]["id"]}
    scope = running.platform.system.scope(amy.tenant_id, "pushes")
    push = ids.new("psh")
    async with scope.tx() as tx:
        await open_push(tx, push, ("wall", "wall"), 0, scope.now)
    return {"psh": push, "cnf": await conflict_of(running, amy, (connection, listing), Winner.THEIRS)}


async def conflict_of(running: Deployment, amy: Merchant, place: tuple[str, str], winner: Winner | None) -> str:
    """A conflict about the title of one of her connection's listings, open where nobody has won; another each time."""
    scope = running.platform.system.scope(amy.tenant_id, "pushes")
    connection, listing = place
    title = Place(listing, "", EditField.TITLE)
    live = LiveEdit(ids.new("edt"), title, "ours", "", ("base",), None, 1, EditState.WAITING, 0, scope.now)
    found = Found(ids.new("cnf"), live, "theirs", Rule.MARKETPLACE if winner else Rule.MANUAL, winner)
    async with scope.tx() as tx:
        await add_conflicts(tx, connection, [found], scope.now)
    return found.id


async def record_of(running: Deployment, amy: Merchant) -> str:
    """A record of hers, of a kind that no marketplace has; the same one whenever it is asked for."""
    scope = running.platform.system.scope(amy.tenant_id, "records")
    item = records.record_item(Record("of-this-wall", "Wall"))
    async with scope.tx() as tx:
        await records.write_records(tx, scope, _Origin(), records.Kind("contact", "contact"), [item])
    page = await records.entries(scope, records.RecordFilter(entity="contact"), Ask(limit=1))
    return str(page.items[0]["id"])


async def order_of(running: Deployment, amy: Merchant, number: str = "of-this-wall") -> dict[str, str]:
    """An order of hers and who bought; the same ones whenever they are asked for."""
    scope = running.platform.system.scope(amy.tenant_id, "orders")
    item = made.item(made.order(number, number=number), b"{}")
    async with scope.tx() as tx:
        await orders.write_orders(tx, scope, _Origin(), [item])
    page = await orders.orders(scope, orders.OrderFilter(number=number), Ask(limit=1))
    return {"ord": str(page.items[0]["id"]), "cus": str(page.items[0]["customer_id"])}


async def action_of(running: Deployment, amy: Merchant, order: str) -> str:
    """Something that was to be done with an order of hers; the same one whenever it is asked for."""
    scope = running.platform.system.scope(amy.tenant_id, "fulfilment")
    place = (ids.new("act"), order, "con_wall", "wall", "of-this-wall", "of-this-wall")
    opening = Opening(*place, "pack", (), "", {}, "ready_to_fulfil", "wall")
    before = await fulfilment.actions(scope, ActionFilter(order_id=order), Ask(limit=1))
    if before.items:
        return before.items[0].id
    async with scope.tx() as tx:
        made = await open_action(tx, opening, scope.now)
    assert made is not None
    return made.id


async def connect_session_of(amy: Merchant, integration: str) -> str:
    """A connect session of hers."""
    await amy.call("PUT", "/api/connections/return-origins", {"origins": ["https://front.example.com"]})
    body = {"integrationId": integration, "origin": "https://front.example.com"}
    return str((await amy.call("POST", "/api/connect-sessions", body)).body["id"])


async def key_of(merchant: Merchant) -> str:
    """The id of an API key of theirs: the same one whenever it is asked for."""
    path, body = f"/api/merchants/{merchant.tenant_id}/api-keys", {"name": "Wall", "permissions": ["products:read"]}
    made = await merchant.call("POST", path, body, **{"idempotency-key": "the-key-of-the-wall"})
    return str(made.body["data"]["id"])


async def source_of(merchant: Merchant) -> str:
    """A webhook source of theirs."""
    body = {"provider": "github", "secret": "of-this-wall"}
    return str((await merchant.call("POST", "/api/webhooks/sources", body)).body["id"])


async def inbound_of(amy: Merchant) -> dict[str, str]:
    """A source of hers, a delivery that came in there, and a replay."""
    source = await source_of(amy)
    taken = await amy.call("POST", "/api/webhooks/simulate", {"sourceId": source})
    replay = await amy.call("POST", "/api/webhooks/replay", {"since": "2026-01-01T00:00:00Z"})
    handler = (await amy.call("POST", "/api/webhooks/handlers", {"pattern": "none.*"})).body["id"]
    return {"src": source, "hdl": handler, "inb": taken.body["id"], "rpl": replay.body["id"]}


async def function_of(running: Deployment, merchant: Merchant) -> str:
    """A function of a service of theirs that wants nothing; the same one whenever it is asked for."""

    async def nothing(_scope: Scope, _told: webhooks_in.Told) -> None:
        return None

    own = webhooks_in.Handlers([webhooks_in.Handler("of_this_wall", "none.*", nothing, tenant_id=merchant.tenant_id)])
    engine = running.platform.engine
    parts = {**engine.parts, webhooks_in.Handlers: own}
    await webhooks_in.settle(System(replace(engine, parts=parts), running.platform.clock))
    scope = running.platform.system.scope(merchant.tenant_id, "webhooks_in")
    return str((await webhooks_in.functions(scope, Ask(limit=1))).items[0]["id"])


async def endpoint_of(merchant: Merchant) -> str:
    """A webhook endpoint of theirs, where nobody listens."""
    body = {"url": "https://localhost/hook", "types": ["custom.wall"], "verify": False}
    return str((await merchant.call("POST", "/api/webhooks/endpoints", body)).body["endpoint"]["id"])


async def hooks_of(amy: Merchant) -> dict[str, str]:
    """An endpoint of hers, a delivery to it, and a recovery."""
    endpoint = await endpoint_of(amy)
    await amy.call("PUT", "/api/webhooks/event-types/custom.wall", {})
    assert (await amy.call("POST", "/api/events", {"type": "custom.wall", "data": {}})).status == 202
    recovery = await amy.call("POST", f"/api/webhooks/endpoints/{endpoint}/recover", {"since": "2026-01-01T00:00:00Z"})
    async with asyncio.timeout(60):
        while True:
            rows = (await amy.call("GET", f"/api/webhooks/deliveries?endpointId={endpoint}")).body["items"]
            if rows:
                return {"whe": endpoint, "dlv": rows[0]["id"], "rcv": recovery.body["id"]}
            await asyncio.sleep(0.05)


async def member_of(merchant: Merchant) -> str:
    """The id of somebody they invited: the same one whenever it is asked for."""
    body = {"email": "wall@example.com", "roles": ["user"]}
    made = await merchant.call("POST", "/api/tenant/members", body, **{"idempotency-key": "the-member-of-the-wall"})
    return str(made.body["id"])


async def account_of(merchant: Merchant) -> str:
    """Somebody of another issuer whose roles they limit: the same one whenever it is asked for."""
    body = {"issuer": "https://of.the.wall", "subject": "w", "roles": ["user"]}
    return str((await merchant.call("PUT", "/api/tenant/issuer-accounts", body)).body["id"])


async def entry_of(merchant: Merchant) -> str:
    """An entry of their audit log that is sealed."""
    entry = (await merchant.call("GET", "/api/audit?limit=1")).body["items"][0]["id"]
    async with asyncio.timeout(60):
        while True:
            if (await merchant.call("GET", f"/api/audit/{entry}/proof")).status == 200:
                return str(entry)
            await asyncio.sleep(0.05)


async def glass_of(running: Deployment, merchant: Merchant) -> str:
    """A time that an operator was inside their tenant."""
    operator = running.platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "journeys"))
    broken = await access.break_glass(operator, merchant.tenant_id, access.Why("Of the wall, for a look", "T-1"))
    return broken.glass.id


async def ticket_of(running: Deployment, amy: Merchant) -> str:
    """A consent of hers that was given in another browser waits for her under this ticket."""
    stranger = running.person(amy.tenant_id, ["user"], "stranger")
    opened = await amy.call("POST", "/api/connections", {"provider": "tiki"})
    async with stranger.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
        consent = answer.headers["location"]
    async with stranger.browser.get(await walk(consent), allow_redirects=False) as answer:
        page = await answer.text()
    return page.split("flows: ")[1].split("<")[0]
