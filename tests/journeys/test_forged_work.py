"""What is no route and names another tenant's object does nothing to it: jobs, listeners, exports, commands (TN-02)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

import asyncpg
import pytest
import pytest_asyncio
import typer.main
from tests.house_database import Copy
from tests.journeys.deployment import Deployment, Merchant
from tests.journeys.routes import SIGNED, belongings
from typer.testing import CliRunner, Result

from isthmus.app import FEATURES, Platform
from isthmus.cli import audit, build, function, queue, source
from isthmus.cli.operator import operator
from isthmus.engine.db import Tx as SystemTx
from isthmus.feature import BatchListener, Listener
from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Problem


def _of_many(act: BatchListener) -> Listener:
    async def one(tx: SystemTx, event: Mapping[str, Any]) -> None:
        await act(tx, [event])

    return one


JOBS = {job: (feature.name, function) for feature in FEATURES for job, function in feature.jobs.items()}
LISTENERS = {
    **{name: one for feature in FEATURES for name, one in feature.listens.items()},
    **{name: (kinds, _of_many(act)) for one in FEATURES for name, (kinds, act) in one.listens_at_once.items()},
}
_STATES = {"before": {"status": "active"}, "after": {"status": "suspended"}}
_OF_AN_EVENT = {**_STATES, "actor": "user:bob", "request_id": "", "at": SYSTEM.now(), "version": 1}
#: What moves while nobody does anything: the log is sealed, and how often a shop was called is written down later.
_MOVES = ("audit_", "queue.", "connection_hours")
_TABLES = """
select n.nspname || '.' || quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema)' order by 1
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hers(running: Deployment) -> dict[str, str]:
    """What a merchant has, by noun."""
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    found = await belongings(running, amy, connection, run["id"])
    await running.rest()
    return found


async def _digests(copied: Copy, tenant_id: str) -> dict[str, str]:
    """A digest of all that each table holds of a tenant."""
    connection = await asyncpg.connect(copied.admin_url)
    try:
        places = [row[0] for row in await connection.fetch(_TABLES)]
        found = {}
        for place in places:
            rows = f"select md5(t::text) as one from {place} t where tenant_id = $1"  # noqa: S608 - names of tables
            found[place] = await connection.fetchval(
                f"select count(*) || ' ' || coalesce(md5(string_agg(one, '' order by one)), '') from ({rows}) r",  # noqa: S608
                tenant_id,
            )
        return {place: one for place, one in found.items() if not any(part in place for part in _MOVES)}
    finally:
        await connection.close()


async def _at_rest(copied: Copy, tenant_id: str) -> dict[str, str]:
    """The digests once they do not move any more."""
    before = await _digests(copied, tenant_id)
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.2)
            now = await _digests(copied, tenant_id)
            if now == before:
                return now
            before = now


async def _forged(running: Deployment, bob: Merchant, job: str, key: str) -> str:
    """What became of a wake-up of Bob's for somebody else's object; empty when it ended as if there were none."""
    room, function = JOBS[job]
    scope = running.platform.system.scope(bob.tenant_id, room)
    try:
        async with asyncio.timeout(30):
            await function(scope, key)
    except Problem as problem:
        return "" if problem.status in {404, 400, 409} else f"{job} {key}: {problem.status} {problem.message}"
    except Exception as failure:  # noqa: BLE001 - what a job makes of it is what is looked at here
        return f"{job} {key}: {failure!r}"
    return ""


def _bodies(hers: dict[str, str]) -> dict[str, object]:
    """What a body may name, all of it hers, under every name that an event has for it."""
    ones = {"con": "connectionId", "int": "integrationId", "prd": "productId", "lst": "listingId", "run": "runId"}
    ones |= {"ord": "orderId", "cus": "customerId", "whe": "endpointId", "src": "sourceId", "psh": "pushId"}
    named: dict[str, object] = {name: hers[noun] for noun, name in ones.items()}
    named |= {f"{name}s": [hers[noun]] for noun, name in ones.items()}
    return named | {"forbidden": ["product"], "allowedAgain": ["order"], "provider": "tiki", "entity": "products"}


async def _heard(running: Deployment, bob: Merchant, listener: str, event: dict[str, object]) -> str:
    """What became of an event in Bob's name that names somebody else's objects; empty where it was passed over."""
    act = LISTENERS[listener][1]
    try:
        async with asyncio.timeout(30), running.platform.system.tx() as tx:
            await act(tx, event)
    except (KeyError, Problem):
        return ""  # what it lacks no event of this type lacks
    except Exception as failure:  # noqa: BLE001 - what a listener makes of it is what is looked at here
        return f"{listener}: {failure!r}"
    return ""


async def test_TN_02_no_listener_touches_what_another_tenants_event_names(
    running: Deployment, hers: dict[str, str], copied: Copy
) -> None:
    amy, _ = await running.owner("tiki")
    bob = await running.merchant("Bob, who tells lies")
    before = await _at_rest(copied, amy.tenant_id)
    body = _bodies(hers)
    forged = [
        (name, {"tenant_id": bob.tenant_id, "type": kind, "subject": key, "body": body, **_OF_AN_EVENT})
        for name, (kinds, _) in LISTENERS.items()
        for kind in kinds
        for key in sorted({one for noun, one in hers.items() if noun != "ticket"})
    ]
    assert len({name for name, _ in forged}) > 10
    told = [await _heard(running, bob, name, {**event, "id": ids.new("evt")}) for name, event in forged]
    assert [one for one in told if one] == []
    after = await _at_rest(copied, amy.tenant_id)
    assert {place for place in before if before[place] != after[place]} == set()


async def test_TN_02_no_job_touches_what_another_tenants_wake_up_names(
    running: Deployment, hers: dict[str, str], copied: Copy
) -> None:
    amy, _ = await running.owner("tiki")
    bob = await running.merchant("Bob")
    keys = sorted({one for noun, one in hers.items() if noun != "ticket"})
    before, his = await _at_rest(copied, amy.tenant_id), await _at_rest(copied, bob.tenant_id)
    asked = [await _forged(running, bob, job, key) for job in JOBS for key in keys]
    assert [one for one in asked if one] == []
    after = await _at_rest(copied, amy.tenant_id)
    assert {place for place in before if before[place] != after[place]} == set()
    now = await _digests(copied, bob.tenant_id)
    assert {place for place in his if his[place] != now[place]} == set(), "and nothing of hers became his"
    renamed = await amy.call("PATCH", f"/api/tenant/integrations/{hers['int']}", {"name": "Another name"})
    assert renamed.status == 200, renamed.body
    assert await _digests(copied, amy.tenant_id) != after, "what she does herself is seen"


T = TypeVar("T")
#: Commands that are told a tenant and an object of it; `{bob}` is the tenant that somebody gives wrongly.
COMMANDS = {
    "audit prove": ["{bob}", "{evt}"],
    "function retire": ["{bob}", "of_this_wall"],
    "queue resend": ["sync.run", "{bob}", "{run}"],
    "source remove": ["{src}", "--tenant", "{bob}"],
}
#: Commands that are told a tenant and list what it has.
LISTS = {"function list": ["{bob}"], "source list": ["--tenant", "{bob}"]}
#: Commands that are told a tenant and no object of it, and what the other things are.
WITHOUT = {
    "import": "a file, whose rows name nothing that is here",
    "provider set": "a provider, of all tenants",
    "provider show": "a provider, of all tenants",
    "source add": "a provider, of all tenants",
    "token": "roles, and a name that is free",
}


def _commands(command: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command with the names of what it is told."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}".strip())
    if not hasattr(command, "commands"):
        yield path, {one.name for one in command.params}


def test_TN_02_every_command_that_is_told_a_tenant_is_tried_or_says_why_not() -> None:
    told = {name for name, named in _commands(typer.main.get_command(build())) if "tenant" in named}
    assert told == {*COMMANDS, *LISTS, *WITHOUT}


async def _typed(running: Deployment, patch: pytest.MonkeyPatch, *words: str) -> Result:
    """A command on this machine, on the deployment that runs."""
    loop = asyncio.get_running_loop()

    def here(use: Callable[[Platform], Awaitable[T]], *_: object, **__: object) -> T:
        async def used() -> T:
            return await use(running.platform)

        return asyncio.run_coroutine_threadsafe(used(), loop).result(60)

    for module in (audit, function, queue, source):
        patch.setattr(module, "with_platform", here)
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "300"}).invoke, build(), words)


async def test_TN_02_no_command_touches_or_shows_what_another_tenant_has(
    running: Deployment, hers: dict[str, str], copied: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy, _ = await running.owner("tiki")
    bob = await running.merchant("Bob, for whom an operator mistypes")
    before = await _at_rest(copied, amy.tenant_id)

    async def typed(name: str, words: list[str], tenant: str) -> Result:
        filled = [word.format(**hers, bob=tenant) for word in words]
        return await _typed(running, monkeypatch, *name.split(), *filled)

    for name, words in COMMANDS.items():
        ended = await typed(name, words, bob.tenant_id)
        assert ended.exit_code == 1, (name, ended.output)
        assert isinstance(ended.exception, Problem | SystemExit), (name, ended.exception)
        assert not isinstance(ended.exception, Problem) or ended.exception.status == 404, name
    for name, words in LISTS.items():
        shown = [(await typed(name, words, one.tenant_id)).output for one in (amy, bob)]
        assert [hers["src"] in text or "of_this_wall" in text for text in shown] == [True, False], name
    after = await _at_rest(copied, amy.tenant_id)
    assert {place for place in before if before[place] != after[place]} == set()
    async with running.platform.system.tx() as tx:
        rows = await tx.fetch_sql("select actor, body from events where subject = 'queue resend'")
    assert [(row["actor"], row["body"]["tenant"], row["body"]["key"]) for row in rows] == [
        (operator().id, bob.tenant_id, hers["run"])
    ]
    for name in ("audit prove", "function retire", "source remove"):
        assert (await typed(name, COMMANDS[name], amy.tenant_id)).exit_code == 0, f"{name}: it is hers"


#: Exports of what a tenant has; those of providers are of nobody's.
EXPORTS = [
    one for one in SIGNED if one.method == "GET" and "export" in one.route.path and one.for_tenants and not one.streams
]


async def test_TN_02_no_export_holds_what_another_tenant_has(running: Deployment, hers: dict[str, str]) -> None:
    amy, _ = await running.owner("tiki")
    bob = await running.merchant("Bob, who exports")
    assert len(EXPORTS) >= 4
    title = (await amy.call("GET", f"/api/products/{hers['prd']}")).body["title"]
    name = (await amy.call("GET", f"/api/tenant/integrations/{hers['int']}")).body["name"]
    marks = {title, name, "of-this-wall", *(one for noun, one in hers.items() if noun != "ticket")}
    for case in EXPORTS:
        asked = case.call(hers)
        own, *theirs = [
            await who.call("GET", address)
            for who, address in ((amy, asked.path), (bob, asked.path), (bob, asked.address))
        ]
        assert own.status == 200, (case, own.body)
        assert {one.status for one in theirs} <= {200, 404}, case
        told = [one.body.decode() if isinstance(one.body, bytes) else str(one.body) for one in (own, *theirs)]
        found = [{one for one in marks if one in text} for text in told]
        assert found[0], f"{case}: she has something to export"
        assert (found[1] | found[2]) - {*asked.path.split("/")} == set(), case
