"""A small CRM over loopback, as a provider that nobody wrote code for: keys, Basic, OAuth, pages and search."""

from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "canary-crm-key"
SITES = ("north", "south")
BASIC = "Basic " + b64encode(b"ann:canary-pw").decode()


@dataclass
class Crm:
    """Its people by id, who may call, and what was asked."""

    url: str = ""
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    queries: list[dict[str, str]] = field(default_factory=list)
    #: Whether everybody may read.
    public: bool = False

    def may(self, request: web.Request) -> bool:
        """Whether one of the ways of signing in is right."""
        given = request.headers.get("Authorization", "")
        token = given.removeprefix("Bearer ")
        return (
            token in {KEY, "canary-access-1", "canary-access-2"}
            or given == BASIC
            or (request.headers.get("X-Key") == KEY and request.headers.get("X-Site") == "north")
            or request.query.get("key") == KEY
            or self.public
        )


def person(number: int, name: str, **more: Any) -> dict[str, Any]:
    """One of its people."""
    told = {"id": number, "full_name": name, "mail": f"{name}@Example.com", "changed": 1_767_225_600 + number}
    return told | {"link": f"https://crm.example/{number}", "gone": False} | more


def _app(crm: Crm) -> web.Application:
    async def me(request: web.Request) -> web.Response:
        crm.asked["me"] += 1
        if not crm.may(request):
            return web.json_response({"message": "Who are you?"}, status=401)
        return web.json_response({"account": {"id": 7, "name": "North office"}})

    async def graphql(request: web.Request) -> web.Response:
        if not crm.may(request):
            return web.json_response({"errors": [{"message": "Who are you?"}]})
        known = await request.json() == {"query": "{ viewer { id } }"}
        told = {"data": {"viewer": {"id": 7}}} if known else {"errors": [{"message": "There is no such field."}]}
        return web.json_response(told)

    async def people(request: web.Request) -> web.Response:
        if not crm.may(request):
            return web.json_response({"message": "Who are you?"}, status=401)
        crm.asked["people"] += 1
        crm.queries.append(dict(request.query))
        after, size = int(request.query.get("after", 0)), int(request.query["limit"])
        rows = [crm.people[key] for key in sorted(crm.people) if key > after][: size + 1]
        shown = rows[:size]
        return web.json_response({"data": shown, "next": str(shown[-1]["id"]) if len(rows) > size else None})

    async def search(request: web.Request) -> web.Response:
        words = request.query["q"].lower()
        return web.json_response({"found": [one for one in crm.people.values() if words in one["full_name"].lower()]})

    async def one(request: web.Request) -> web.Response:
        found = crm.people.get(int(request.match_info["id"]) if request.match_info["id"].isdigit() else 0)
        return web.json_response({"person": found} if found else {"message": "Nobody."}, status=200 if found else 404)

    app = web.Application()
    app.add_routes(
        [
            web.get("/me", me),
            web.post("/graphql", graphql),
            web.get("/people", people),
            web.get("/people/search", search),
            web.get("/people/{id}", one),
            *_grants(crm),
        ]
    )
    # the same service at an address of each customer's own
    for site in SITES:
        app.add_routes([web.get(f"/{site}/me", me), *_grants(crm, f"/{site}")])
    return app


def _grants(crm: Crm, under: str = "") -> list[web.RouteDef]:
    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        crm.asked[under + str(form["grant_type"])] += 1
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != "canary-refresh":
            return web.json_response({"error": "invalid_grant", "error_description": "Ended."}, status=400)
        if form["client_id"] != "app" or form["client_secret"] != "canary-app-secret":
            return web.json_response({"error": "invalid_client"}, status=401)
        number = 1 if form["grant_type"] == "authorization_code" else 2
        told = {"access_token": f"canary-access-{number}", "expires_in": 3600, "office": "north"}
        return web.json_response(told | ({"refresh_token": "canary-refresh"} if number == 1 else {}))

    async def revoke(request: web.Request) -> web.Response:
        crm.asked[f"{under}revoked " + str((await request.post())["token"])] += 1
        return web.json_response({})

    return [web.post(f"{under}/token", token), web.post(f"{under}/revoke", revoke)]


@asynccontextmanager
async def crm() -> AsyncIterator[Crm]:
    """The service on a port of its own, with five people."""
    made = Crm(people={n: person(n, name) for n, name in enumerate(("ann", "bob", "cy", "dan", "eve"), 1)})
    runner = web.AppRunner(_app(made), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()
