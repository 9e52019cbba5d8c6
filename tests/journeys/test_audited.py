"""What changes something leaves its row in the audit log, whichever route it is (AU-01, AU-06; generated)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from tests.given.crm import crm
from tests.journeys.deployment import deployment
from tests.journeys.once import NO_EFFECT, Story, begin, caller, prepared
from tests.journeys.routes import SIGNED, Asked, Case, belongings

from isthmus.features.audit.model.entries import masked
from isthmus.http.asgi import REQUEST_ID

#: Calls that are refused in this story, and why; nothing is told of what was not done.
HELD_UP = {
    "DELETE /api/admin/integrations/{category}/{id}": "the provider is in use",
    "DELETE /api/admin/integrations/{category}/{id}/connection": "the provider that is asked has none of its own",
    "DELETE /api/admin/login-issuers/{name}": "there is no such issuer",
    "DELETE /api/admin/tenants/{id}/break-glass/{glass_id}": "the tenant that is asked is a fresh one",
    "DELETE /api/admin/webhooks/sources/{app_source_id}": "there is no such source",
    "DELETE /api/auth/identities/{identity_id}": "somebody signed in by a foreign token has no logins here",
    "DELETE /api/auth/second-factor": "somebody signed in by a foreign token has the factors of its issuer",
    "DELETE /api/connections/{id}": "it was disconnected before",
    "DELETE /api/tenant/members/{id}/identities/{identity_id}": "the member has no login at an issuer",
    "DELETE /api/tenant/members/{id}/second-factor": "the member has none",
    "PATCH /api/admin/login-issuers/{name}": "there is no such issuer",
    "PATCH /api/tenant/integrations/{id}/credentials": "it is connected by a consent",
    "PATCH /api/user/integrations/{id}/credentials": "it is the tenant's",
    "POST /api/admin/login-issuers/{name}/test": "there is no such issuer",
    "PUT /api/config": "its connection is none of the tenant's",
    "PUT /api/merchants/{merchant_id}/product-sync/uploads/{upload_id}/parts/{start}": "the file is whole",
    "PUT /api/products/{id}/inventory": "the product has no such item",
}
#: Calls that change nothing, or nothing yet.
UNCHANGED = {
    "DELETE /api/tenant/integrations/{id}": "it was deactivated before",
    "POST /api/merchants/{merchant_id}/product-sync/uploads": "nothing is there before the file is started",
    "POST /api/sync/refresh": "one reading, of which the records tell that change",
    "POST /api/tenant/integrations/{id}/activate": "it is active",
    "PUT /api/config/{connection_id}/options": "the options are those that it has",
}
#: Calls that are several facts.
SEVERAL = {
    "POST /api/admin/integrations/{category}/{id}/connection": ["connection.created", "connection.connected"],
    "POST /api/admin/provider-changes/{change_id}/approve": ["provider.change_approved", "provider.changed"],
    "POST /api/admin/tenants/{id}/break-glass": ["tenant.glass_broken", "operator.entered"],
    "POST /api/connections": ["connection.created", "connection.consent_started"],
    "POST /api/customers/{id}/redact": ["orders.redacted", "customer.redacted"],
    "POST /api/sync": ["sync.requested", "sync.requested"],
    "POST /api/sync/conflicts/{id}/undo": ["push.requested", "conflict.undone"],
    "POST /api/tenant/integrations/{id}/connect/api-key": ["connection.created", "connection.connected"],
    "POST /api/user/integrations/{id}/connect/api-key": ["connection.created", "connection.connected"],
    "POST /api/user/integrations/{id}/connect/oauth": ["connection.created", "connection.consent_started"],
}
#: Facts that are no change of something that was there, so that there is no before and no after; their body says all.
FACTS = {
    "conflict.resolved", "conflict.undone", "connect_session.created", "connect_session.revoked", "connection.created",
    "connection.consent_started", "connection.tested", "customer.redacted", "customers.person_looked_up",
    "member.password_reset_offered", "order.action_cancelled", "orders.redacted", "product.linked", "product.unlinked",
    "push.cancelled", "push.requested", "schedule.paused", "schedule.resumed", "sync.requested", "upload.cancelled",
    "upload.started", "webhook.delivery_retried", "webhook.recovery_started", "webhook.secret_rotated",
}  # fmt: skip
#: They tell a `tokenUrl`, which is an address and is masked for its name.
_ADDRESSES = {"provider.removed"}
#: A message to the tenant's own endpoints is data, and stands in the feed of events.
_DATA = {"POST /api/events"}
_LAST = ("disconnect", "logout", "revoke", "cancel", "deactivate")
_ORDER = ("POST", "PUT", "PATCH", "DELETE")
CHANGING = sorted(
    (case for case in SIGNED if case.method in _ORDER and not case.streams),
    key=lambda case: (case.route.path.endswith(_LAST) or case.method == "DELETE", _ORDER.index(case.method), str(case)),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, CONNECTIONS__ALLOW_NETWORKS="127.0.0.0/8") as running:
        amy, connection = await running.owner("tiki")
        run = await amy.sync(connection)
        async with crm() as far:
            yield await begin(running, amy, await belongings(running, amy, connection, run["id"]), far)


#: What makes a change of a call that else would leave all as it is.
_OTHERWISE = {
    "PATCH /api/admin/integrations/{category}/{id}/audience": {"audience": "system"},
    "PATCH /api/admin/integrations/{category}/{id}/status": {"status": "deprecated"},
}


async def _ready(story: Story, case: Case) -> Asked:
    """The call, once there is something for it to do; tenants that are to end are none that others need."""
    if case.route.path.startswith("/api/admin/tenants/"):
        story.known["ten"] = (await story.running.merchant("Told of")).tenant_id
    asked = await prepared(story, case)
    story.known["ten"] = story.amy.tenant_id
    if case.route.path.startswith("/api/sync"):
        for run in (await story.amy.call("GET", "/api/sync/runs")).body["items"]:
            await story.amy.finished(run["id"])
    return Asked(asked.method, asked.path, asked.query, _OTHERWISE.get(str(case), asked.body))


_CHANGES = re.compile(r"\b(?:insert into|update|delete from)\s+(?!of\b|set\b|skip\b)([a-z_]+)", re.IGNORECASE)
#: How often somebody called, or a platform was called: counts that end with their minute.
_COUNTS = {"budget_windows"}
#: What requests write without a row in the audit log, and why.
SILENT = {
    "POST /api/events": {"events"},  # data of the tenant's own
    "POST /api/merchants/{merchant_id}/product-sync/uploads": {"uploads"},  # a place for a file; its start is told
    "POST /api/sync/refresh": {"sync_refreshes", "queue"},  # a wish for one reading, whose changes are told
}
#: What is told although it only looks: a copy that leaves the house.
TOLD = {"GET /api/tenant/export": {"events"}}


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The tables that each request's statements change, by the request's id."""
    told: dict[str, set[str]] = {}

    def telling(name: str) -> None:
        real = getattr(asyncpg.Connection, name)

        async def tell(self: asyncpg.Connection, query: str, *rest: Any, **more: Any) -> Any:
            done = await real(self, query, *rest, **more)
            # a status such as "UPDATE 0", no row, or nothing returned: nothing was changed
            if done and not (isinstance(done, str) and done.endswith(" 0")):
                told.setdefault(REQUEST_ID.get(), set()).update({*_CHANGES.findall(query)} - _COUNTS)
            return done

        monkeypatch.setattr(asyncpg.Connection, name, tell)

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        telling(name)
    return told


async def _rows(story: Story, request_id: str) -> list[dict[str, Any]]:
    """What one request left in the audit log, whoever's it is."""
    async with story.running.platform.system.tx() as tx:
        rows = await tx.fetch_sql(
            "select type, actor, address, route, before, after, body from events"
            " where request_id = $1 and audited order by id",
            request_id,
        )
    return [dict(row) for row in rows]


def _wrong(case: Case, status: int, rows: list[dict[str, Any]], who: str) -> str:
    """What is wrong with the rows of a call; nothing if they are as they should be."""
    name, types = str(case), [row["type"] for row in rows]
    if status >= 300 or name in UNCHANGED or name in _DATA or (name in NO_EFFECT and not rows):
        known = name in HELD_UP or name in NO_EFFECT or "/api/proxy/" in name if status >= 300 else True
        return "" if known and not rows else f"{status}, {types}"
    if types != SEVERAL.get(name, types[:1]) or not types:
        return f"rows {types}"
    sides = [(row["type"], row[side]) for row in rows for side in ("before", "after", "body")]
    bare = [kind for kind, told in sides if masked(told) != told and kind not in _ADDRESSES]
    if bare:
        return f"a secret is shown: {bare}"
    silent = [row["type"] for row in rows if not row["before"] and not row["after"] and row["type"] not in FACTS]
    strange = [row for row in rows if (row["actor"], row["address"], row["route"]) != (who, "127.0.0.1", name)]
    return f"no before and after: {silent}" if silent else f"{strange}" if strange else ""


async def test_AU_01_AU_06_whatever_is_changed_leaves_one_row_with_who_and_from_where_and_both_sides(
    story: Story, changed: dict[str, set[str]]
) -> None:
    wrong, seen, silent = {}, set[str](), {}
    names = {id(one): (await one.call("GET", "/api/auth/me")).body["id"] for one in (story.amy, story.operator)}
    for case in CHANGING:
        asked, who = await _ready(story, case), caller(story, case)
        answer = await who.call(case.method, asked.address, asked.body)
        rows = await _rows(story, answer.headers["x-request-id"])
        seen |= {row["type"] for row in rows}
        tables = changed.get(answer.headers["x-request-id"], set())
        if not rows and tables - SILENT.get(str(case), set()):
            silent[str(case)] = (answer.status, tables)
        if found := _wrong(case, answer.status, rows, names[id(who)]):
            wrong[str(case)] = f"{answer.status}: {found} {answer.body if answer.status >= 300 else ''}"
    assert silent == {}, "changed, and nobody can read that it was"
    assert wrong == {}
    assert seen >= FACTS, "it stands in the table, and no route of this story leaves it"


async def test_SE_07_AU_01_what_is_looked_at_is_not_changed(story: Story, changed: dict[str, set[str]]) -> None:
    found: dict[str, Any] = {}
    for case in (one for one in SIGNED if one.method == "GET" and not one.streams):
        asked, who = case.call(story.known), caller(story, case)
        for method, body in (("GET", None), ("HEAD", None), ("GET", {"name": "changed", "_method": "DELETE"})):
            answer = await who.call(method, asked.address, body)
            assert answer.status < 500, case
            tables = changed.get(answer.headers["x-request-id"], set())
            if tables - SILENT.get(str(case), set()) - TOLD.get(str(case), set()):
                found.setdefault(str(case), []).append((method, answer.status, tables))
    assert found == {}


def test_AU_01_every_exception_is_one_of_a_route() -> None:
    assert {*HELD_UP, *UNCHANGED, *SEVERAL, *_DATA, *_OTHERWISE} <= {str(case) for case in CHANGING}
    assert {*SILENT, *TOLD} <= {str(case) for case in SIGNED}
    assert len(CHANGING) > 140
