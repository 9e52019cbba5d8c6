"""What stands ready for each POST that is sent with an Idempotency-Key, so that there is an effect to have once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import yaml
from tests.given import catalog as given
from tests.given.crm import Crm
from tests.journeys.deployment import Answer, Deployment, Merchant
from tests.journeys.routes import Asked, Case, action_of, conflict_of, order_of

from isthmus.features.catalog.model.history import Difference
from isthmus.features.catalog.model.proposals import Proposal, ProposalState
from isthmus.features.catalog.store import put_proposal
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN

#: POSTs that have no effect to have once, in this story or ever, and why.
NO_EFFECT: Mapping[str, str] = {
    "POST /api/admin/integrations/{category}/{id}/test": "a test of a provider writes nothing",
    "POST /api/admin/login-issuers/{name}/test": "a test of an issuer writes nothing",
    "POST /api/auth/oidc/{issuer}/link": "a foreign token is no session of ours",
    "POST /api/auth/password": "somebody signed in by a foreign token has no password",
    "POST /api/auth/logout": "a foreign token ends by itself",
    "POST /api/auth/second-factor": "somebody signed in by a foreign token has the factors of its issuer",
    "POST /api/auth/second-factor/confirm": "a foreign token is no session of ours",
    "POST /api/auth/session/token": "only a page of this server begins a session in a browser",
    "POST /api/auth/step-up": "a foreign token is no session of ours",
    "POST /api/config/{connection_id}/webhook": "its pushes are not switched on by a call",
    "POST /api/customers/redact": "nobody has this address of mail",
    "POST /api/integrations/search": "a search writes nothing",
    "POST /api/links/accept": "there is one shop, so nothing looks like a product of another one",
    "POST /api/merchants/{merchant_id}/product-sync/preview": "a preview writes nothing",
    "POST /api/merchants/{merchant_id}/product-sync/trigger": "products come by events in this story",
    "POST /api/proxy/{connection_id}/{path:path}": "the key goes on to the far side",
    "POST /api/sync/deletions/decide": "nothing was deleted",
    "POST /api/sync/pushes/{id}/retry": "nothing of the push was refused",
    "POST /api/sync/{run_id}/cancel": "the run has ended",
    "POST /api/sync/{run_id}/resume": "the run ended well",
    "POST /api/sync/{run_id}/retry": "no record has failed",
    "POST /api/user/integrations/flows": "nobody has given a consent in another browser",
    "POST /api/webhooks/endpoints/{id}/test": "a test of an endpoint writes nothing",
    "POST /api/webhooks/recoveries/{id}/cancel": "the recovery is done",
    "POST /api/webhooks/replay/{replay_id}/cancel": "the replay is done",
}
_PASSWORD = "correct horse battery staple"


@dataclass
class Story:
    """A merchant with integrations of a keyed provider: of the tenant, and of each person."""

    running: Deployment
    amy: Merchant
    operator: Merchant
    known: dict[str, str]
    shared: str = ""
    own: str = ""


async def begin(running: Deployment, amy: Merchant, known: dict[str, str], far: Crm) -> Story:
    """Everything that is there before the first POST."""
    operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    story = Story(running, amy, operator, known)
    # who it verifies is not told, so that each connection has an account of its own
    optional = [{"name": name, "label": name, "required": False} for name in ("api_key", "username", "password")]
    keyed = {
        "hosts": {"api": far.url},
        "category": "support",
        "credentialFields": optional,
        "service": given.document("desk")["service"] | {"verify": {"path": "/people/1"}},
    }
    _fine(await operator.call("POST", "/api/admin/integrations", given.document("desk") | keyed))
    story.shared, story.own = [await _integration(amy, scoped) for scoped in (False, True)]
    schedules = {"schedules": [{"entity": "products", "everySeconds": 3600}]}
    _fine(await amy.call("PUT", f"/api/config/{known['con']}", schedules))
    return story


async def _integration(amy: Merchant, scoped: bool) -> str:
    body = {"integrationId": "desk", "name": f"Desk {scoped}", "userScoped": scoped}
    return str(_fine(await amy.call("POST", "/api/tenant/integrations", body)).body["id"])


def _fine(answer: Answer) -> Answer:
    assert answer.status < 300, answer.body
    return answer


def caller(story: Story, case: Case) -> Merchant:
    """Who calls it."""
    return story.amy if case.for_tenants else story.operator


async def prepared(story: Story, case: Case) -> Asked:
    """The request, once there is something for it to do."""
    asked = case.call(story.known)
    change = _PREPARED.get(str(case))
    return await change(story, asked) if change else asked


def _body(**changes: Any) -> Callable[[Story, Asked], Awaitable[Asked]]:
    async def change(_: Story, asked: Asked) -> Asked:
        return Asked(asked.method, asked.path, asked.query, {**(asked.body or {}), **changes})

    return change


def _at(attribute: str) -> Callable[[Story, Asked], Awaitable[Asked]]:
    """The same for the keyed integration of the tenant, or of each person."""

    async def change(story: Story, asked: Asked) -> Asked:
        path = asked.path.replace(story.known["int"], getattr(story, attribute))
        return Asked(asked.method, path, asked.query, _KEYS.get(path.rpartition("/")[2], asked.body))

    return change


_KEYS = {"custom": {"credentials": {"api_key": "k"}}}


async def _own_connected(story: Story, asked: Asked) -> Asked:
    path = asked.path.replace(story.known["int"], story.own)
    body = {"apiKey": "k"}
    _fine(await story.amy.call("POST", f"/api/user/integrations/{story.own}/connect/api-key", body))
    return Asked(asked.method, path, asked.query, asked.body)


async def _of_desk(story: Story, asked: Asked) -> Asked:
    return Asked(asked.method, asked.path.replace("/marketplace/tiki/", "/support/desk/"), asked.query, asked.body)


async def _changed(story: Story, asked: Asked) -> Asked:
    for text in ("Once.", "Twice."):
        body = {"description": text}
        _fine(await story.operator.call("PATCH", "/api/admin/integrations/marketplace/tiki", body))
    return asked


async def _proposed(story: Story, asked: Asked) -> Asked:
    """A change of a provider that somebody else wants."""
    shown = _fine(await story.operator.call("GET", "/api/admin/integrations/marketplace/tiki")).body["document"]
    scope = story.running.platform.system.scope(PLATFORM_TENANT, "once")
    made = Proposal(
        id=scope.id("pch"),
        provider="tiki",
        action="change",
        wish={"changes": {"uptime": "99.5"}},
        differences=(Difference("uptime", shown.get("uptime"), "99.5"),),
        reasons=("uptime",),
        state=ProposalState.OPEN,
        proposed_by="user:isthmus:bo",
        proposed_at=scope.now,
        until=scope.now + timedelta(days=1),
    )
    async with scope.tx() as tx:
        await put_proposal(tx, made)
    return Asked(asked.method, asked.path.replace("pch_nobodys", made.id), asked.query, asked.body)


async def _suspended(story: Story, asked: Asked) -> Asked:
    _fine(await story.operator.call("POST", f"/api/admin/tenants/{story.known['ten']}/suspend"))
    return asked


async def _returnable(story: Story, asked: Asked) -> Asked:
    origins = {"origins": ["https://app.example.com", "https://front.example.com"]}
    _fine(await story.amy.call("PUT", "/api/connections/return-origins", origins))
    return asked


async def _returnable_own(story: Story, asked: Asked) -> Asked:
    await _returnable(story, asked)
    body = {"integrationId": "tiki", "name": "Own consents", "userScoped": True}
    made = _fine(await story.amy.call("POST", "/api/tenant/integrations", body)).body["id"]
    return Asked(asked.method, asked.path.replace(story.known["int"], made), asked.query, asked.body)


async def _member(story: Story, asked: Asked) -> Asked:
    invited = _fine(await story.amy.call("POST", "/api/tenant/members", {"email": "bo@example.com", "roles": ["user"]}))
    body = {"invitation": invited.body["invitation"], "password": _PASSWORD}
    async with (
        aiohttp.ClientSession() as client,
        client.post(story.running.address + "/api/auth/accept", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
    path = asked.path.replace(story.known["usr"], invited.body["id"])
    return Asked(asked.method, path, asked.query, asked.body)


async def _link(story: Story, asked: Asked) -> Asked:
    return Asked(asked.method, asked.path, asked.query, {"listingIds": [story.known["lst"]]})


async def _linked(story: Story, asked: Asked) -> Asked:
    """Two other listings of the shop, made one product."""
    rows = (await story.amy.call("GET", f"/api/listings?connectionId={story.known['con']}&limit=10")).body["items"]
    two = [row["id"] for row in rows if row["id"] != story.known["lst"]][:2]
    _fine(await story.amy.call("POST", "/api/links", {"listingIds": two}))
    return Asked(asked.method, asked.path, asked.query, {"listingId": two[0]})


async def _of_listing(story: Story, asked: Asked) -> Asked:
    item = {"listingId": story.known["lst"], "field": "published", "value": True}
    return Asked(asked.method, asked.path, asked.query, {"items": [item]})


async def _conflict(story: Story, asked: Asked) -> Asked:
    """One that waits for a person; the rule is tried in earnest."""
    place = (story.known["con"], story.known["lst"])
    fresh = await conflict_of(story.running, story.amy, place, None)
    body = {**(asked.body or {}), **({"dryRun": False} if "dryRun" in (asked.body or {}) else {})}
    return Asked(asked.method, asked.path.replace(story.known["cnf"], fresh), asked.query, body)


async def _order(story: Story) -> str:
    """A new order of the shop, which waits to be confirmed."""
    key = story.running.sandbox.shops["tiki"].place_order()
    body = {"connectionId": story.known["con"], "entity": "orders", "externalId": key}
    _fine(await story.amy.call("POST", "/api/sync/refresh", body))
    async with asyncio.timeout(60):
        while True:
            found = (await story.amy.call("GET", f"/api/orders?search={key}")).body["items"]
            if found:
                return str(found[0]["id"])
            await asyncio.sleep(0.05)


_CONFIRM = {"action": "confirm", "details": {"warehouse": "1034"}}


async def _one_order(story: Story, asked: Asked) -> Asked:
    path = asked.path.replace(story.known["ord"], await _order(story))
    return Asked(asked.method, path, asked.query, _CONFIRM)


async def _many_orders(story: Story, asked: Asked) -> Asked:
    return Asked(asked.method, asked.path, asked.query, {**_CONFIRM, "orderIds": [await _order(story)]})


def _action(state: str) -> Callable[[Story, Asked], Awaitable[Asked]]:
    """An action in this state that nobody is about to take up."""

    async def change(story: Story, asked: Asked) -> Asked:
        order = await order_of(story.running, story.amy, f"once-{asked.path.rpartition('/')[2]}")
        action = await action_of(story.running, story.amy, order["ord"])
        async with story.running.platform.system.scope(story.amy.tenant_id, "once").tx() as tx:
            await tx.fetch_sql(
                "update order_actions set state = $3, retry_at = clock_timestamp() + interval '1 day' "
                "where tenant_id = $1 and id = $2 returning id",
                *(story.amy.tenant_id, action, state),
            )
        return Asked(asked.method, asked.path.replace(story.known["act"], action), asked.query, asked.body)

    return change


async def _upload(story: Story, asked: Asked) -> Asked:
    root = f"/api/merchants/{story.amy.tenant_id}/product-sync/uploads"
    begun = _fine(await story.amy.call("POST", root, {"name": "again.csv"}))
    path = asked.path.replace(story.known["upl"], begun.body["data"]["id"])
    return Asked(asked.method, path, asked.query, asked.body)


_PREPARED: Mapping[str, Callable[[Story, Asked], Awaitable[Asked]]] = {
    "POST /api/admin/integrations/import": _body(yaml=yaml.safe_dump(given.document("imported")), dryRun=False),
    "POST /api/admin/integrations/{category}/{id}/connection": _of_desk,
    "POST /api/admin/integrations/{category}/{id}/reset": _changed,
    "POST /api/admin/integrations/{category}/{id}/versions/{version}/rollback": _changed,
    "POST /api/admin/provider-changes/{change_id}/approve": _proposed,
    "POST /api/admin/provider-changes/{change_id}/reject": _proposed,
    "POST /api/admin/tenants/{id}/activate": _suspended,
    "POST /api/links": _link,
    "POST /api/links/unlink": _linked,
    "POST /api/merchants/{merchant_id}/product-sync/uploads/{upload_id}/cancel": _upload,
    "POST /api/orders/actions": _many_orders,
    "POST /api/orders/actions/{action_id}/cancel": _action("waiting"),
    "POST /api/orders/actions/{action_id}/dismiss": _action("unsure"),
    "POST /api/orders/actions/{action_id}/retry": _action("refused"),
    "POST /api/orders/{id}/push": _one_order,
    "POST /api/sync/conflicts/resolve": _conflict,
    "POST /api/sync/conflicts/{id}/resolve": _conflict,
    "POST /api/sync/pushes": _of_listing,
    "POST /api/tenant/integrations/import": _body(yaml="provider: tiki\nname: Of a file, once", dryRun=False),
    "POST /api/tenant/integrations/{id}/connect/api-key": _at("shared"),
    "POST /api/tenant/integrations/{id}/connect/basic": _at("shared"),
    "POST /api/tenant/integrations/{id}/connect/custom": _at("shared"),
    "POST /api/tenant/integrations/{id}/connect/oauth": _returnable,
    "POST /api/tenant/integrations/{id}/users/{user_id}/disconnect": _own_connected,
    "POST /api/tenant/members/{id}/password-reset": _member,
    "POST /api/user/integrations/{id}/connect/api-key": _at("own"),
    "POST /api/user/integrations/{id}/connect/basic": _at("own"),
    "POST /api/user/integrations/{id}/connect/custom": _at("own"),
    "POST /api/user/integrations/{id}/connect/oauth": _returnable_own,
    "POST /api/user/integrations/{id}/connection/test": _own_connected,
    "POST /api/user/integrations/{id}/disconnect": _own_connected,
    "POST /api/webhooks/replay": _body(plan=False),
}
