"""How each route that changes a stored thing is called several times, so that each call is another change of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.journeys.deployment import Answer, Merchant
from tests.journeys.once import Story, caller
from tests.journeys.routes import Case

#: Routes that change no stored thing that somebody has read, and why.
NOTHING_READ: Mapping[str, str] = {
    "PATCH /api/proxy/{connection_id}/{path:path}": "it goes on to the platform, whose things have their own tags",
    "PUT /api/proxy/{connection_id}/{path:path}": "it goes on to the platform, whose things have their own tags",
    "PUT /api/merchants/{merchant_id}/product-sync/uploads/{upload_id}/parts/{start}": "a part lies where it begins: "
    "sent again it is the same one, and another one is refused",
}
#: Steps back, whose bodies name nothing that could be another; tests of the catalogue call them.
STEPS_BACK = {
    "POST /api/admin/integrations/{category}/{id}/reset",
    "POST /api/admin/integrations/{category}/{id}/versions/{version}/rollback",
}
Body = dict[str, Any]
_ROLES: list[list[str]] = [["user"], ["tenant_admin"], ["tenant_admin", "user"]]
_RULES = ("lowest", "highest", "newest", "marketplace")
_STATES = ("beta", "active", "deprecated", "disabled")


@dataclass(frozen=True)
class Change:
    """A route with other bodies for other numbers.

    `rival` is what another person sends meanwhile, where the route itself knows but two values. `reads` tells where it
    is read, and `known` by which field of a list's items, where that is not its own address. `blind`: what is stored
    cannot be told from what is sent, because it is secret.
    """

    body: Callable[[int], Body]
    rival: tuple[str, str, Callable[[int], Body]] | None = None
    reads: str | None = None
    known: str = ""
    blind: bool = False
    place: Callable[[Story, str], str] = lambda _, path: path


def _key(number: int) -> Body:
    return {"credentialType": "api_key", "credentials": {"api_key": f"key-{number}"}}


def _schedule(number: int, **more: str) -> Body:
    return {"schedules": [{"entity": "products", "everySeconds": 3600 + number * 60, **more}]}


def _of_seen(_: Story, path: str) -> str:
    return path.replace("/marketplace/tiki", "/crm/seen")


def _at(noun: str) -> Callable[[Story, str], str]:
    return lambda story, path: path.replace(story.known["int"], getattr(story, noun))


_SEEN = "/api/admin/integrations/crm/seen"
CHANGES: Mapping[str, Change] = {
    "PATCH /api/admin/integrations/{category}/{id}": Change(
        lambda number: {"description": f"Text {number}."}, place=_of_seen
    ),
    "PATCH /api/admin/integrations/{category}/{id}/status": Change(
        lambda number: {"status": _STATES[number]}, reads=_SEEN, place=_of_seen
    ),
    "PATCH /api/admin/integrations/{category}/{id}/audience": Change(
        lambda number: {"audience": ("tenant", "system")[number % 2]},
        ("PATCH", _SEEN, lambda number: {"uptime": f"9{number}"}),
        reads=_SEEN,
        place=_of_seen,
    ),
    "PUT /api/admin/integrations/{category}/{id}/app": Change(
        lambda number: {"credentials": {"partner_id": f"{number}", "partner_key": f"key-{number}"}},
        blind=True,
        place=lambda _, path: path.replace("/tiki/", "/shopee/"),
    ),
    "PATCH /api/admin/login-issuers/{name}": Change(lambda number: {"label": f"Wall {number}"}),
    "PATCH /api/admin/tenants/{id}": Change(lambda number: {"plan": f"plan-{number}"}),
    "PUT /api/config": Change(lambda number: _schedule(number, connectionId="{con}")),
    "PUT /api/config/{connection_id}": Change(_schedule),
    "PUT /api/config/{connection_id}/options": Change(lambda number: {"options": {"warehouse": f"{number}"}}),
    "PUT /api/connections/return-origins": Change(lambda number: {"origins": [f"https://{number}.example.com"]}),
    "PUT /api/links/buffers/{connection_id}": Change(
        lambda number: {"buffer": number + 1}, reads="/api/links/buffers", known="buffers"
    ),
    "PUT /api/merchants/{merchant_id}/product-sync/config": Change(
        lambda number: {"source": "webhook", "schedule": f"{number} 3 * * *"}
    ),
    "POST /api/merchants/{merchant_id}/product-sync/config": Change(
        lambda number: {"source": "webhook", "schedule": f"{number} 4 * * *"}
    ),
    "POST /api/merchants/{merchant_id}/product-sync/mappings": Change(
        lambda number: {"name": "wall", "mapping": {"key": f"no{number}", "product": {"title": "name"}}},
        reads="/api/merchants/{ten}/product-sync/mappings",
        known="name",
    ),
    "PUT /api/products/{id}/inventory": Change(lambda number: {"items": [{"itemId": "{itm}", "stock": number + 40}]}),
    "PUT /api/sync/conflicts/rules": Change(lambda number: {"stock": _RULES[number]}),
    "PUT /api/sync/conflicts/rules/{connection_id}": Change(lambda number: {"stock": _RULES[number]}),
    "PATCH /api/tenant/integrations/{id}": Change(lambda number: {"description": f"Text {number}."}),
    "PATCH /api/tenant/integrations/{id}/credentials": Change(
        _key, reads="/api/tenant/integrations/{shared}/connection", blind=True, place=_at("shared")
    ),
    "PUT /api/tenant/issuer-accounts": Change(
        lambda number: {"issuer": "https://of.the.wall", "subject": "w", "roles": [[], *_ROLES][number]},
        reads="/api/tenant/issuer-accounts",
        known="subject",
    ),
    "PATCH /api/tenant/members/{id}": Change(
        lambda number: {"roles": _ROLES[number % 3]}, reads="/api/tenant/members", known="id"
    ),
    "PATCH /api/user/integrations/{id}/credentials": Change(
        _key, reads="/api/user/integrations/{own}/connection", blind=True, place=_at("own")
    ),
    "PATCH /api/webhooks/endpoints/{id}": Change(lambda number: {"description": f"Text {number}."}),
    "PUT /api/webhooks/event-types/{type}": Change(
        lambda number: {"description": f"Text {number}."}, reads="/api/webhooks/event-types", known="type"
    ),
    "PUT /api/webhooks/settings/retention": Change(lambda number: {"days": 10 + number}),
    "PATCH /api/webhooks/sources/{source_id}": Change(lambda number: {"name": f"Name {number}"}),
    "PATCH /api/webhooks/handlers/{handler_id}": Change(lambda number: {"name": f"Name {number}"}),
}


@dataclass(frozen=True)
class Changing:
    """One of them, ready to be called."""

    who: Merchant
    method: str
    path: str
    change: Change
    story: Story

    @classmethod
    def of(cls, story: Story, case: Case) -> "Changing":
        """The route of this case in this story."""
        change = CHANGES[str(case)]
        path = change.place(story, case.call(story.known).path)
        return cls(caller(story, case), case.method, path, change, story)

    def body(self, number: int) -> Body:
        """What this number makes of it."""
        made: Body = self._filled(self.change.body(number))
        return made

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        text = str(value)
        return self.story.known[text.strip("{}")] if text.startswith("{") else value

    async def send(self, number: int, tag: str | None = None) -> Answer:
        """Make this change; with a tag only to what has it."""
        headers = {} if tag is None else {"if-match": tag}
        return await self.who.call(self.method, self.path, self.body(number), **headers)

    def rival(self, number: int, tag: str) -> Awaitable[Answer]:
        """What somebody else sends meanwhile."""
        if self.change.rival is None:
            return self.send(number, tag)
        method, path, body = self.change.rival
        return self.who.call(method, path, body(number), **{"if-match": tag})

    async def read(self) -> tuple[str, Body]:
        """Its present tag, as the header would have it, and what is shown of it."""
        places = {"{shared}": self.story.shared, "{own}": self.story.own, "{ten}": self.story.known["ten"]}
        path = self.change.reads or self.path
        for name, value in places.items():
            path = path.replace(name, value)
        found = await self.who.call("GET", path)
        assert found.status == 200, found.body
        shown = plain(found)
        if self.change.known in {"", "buffers"}:
            assert found.headers["etag"] == f'"{shown["etag"]}"'
            return found.headers["etag"], shown
        sought = {self.path.rpartition("/")[2], self.body(0).get(self.change.known)}
        (one,) = [row for row in shown["items"] if row[self.change.known] in sought]
        return f'"{one["etag"]}"', one


def plain(answer: Answer) -> Body:
    """The body of a success, without the envelope of its family."""
    body: Body = answer.body
    return body["data"] if "data" in body and "success" in body else body
