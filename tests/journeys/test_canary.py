"""LO-03: every secret of whole journeys, good and bad, is looked for wherever it must not be."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import asyncpg
import pytest
import pytest_asyncio
from opentelemetry import metrics, trace
from tests.house_database import Copy
from tests.journeys.deployment import KEY, MASTER, Answer, Deployment, Merchant, deployment

from isthmus.engine.db import EmbeddedPostgres
from isthmus.sandbox import walk

PLATFORMS = ("lazada", "shopee", "tiki")
#: Named by the platforms' own documents as public, or too short to mean anything.
_PUBLIC = {"client_id", "app_key", "partner_id"}
_QUICK = {"SYNC__BACKOFF": "PT0.02S", "SYNC__MAX_ATTEMPTS": "1"}


class Canaries:
    """Secrets by what they are, the answers that were given, and the lines that were logged."""

    def __init__(self, running: Deployment, home: Path, spans: list[str]) -> None:
        self.running, self.home = running, home
        self.secrets: dict[str, str] = {KEY: "signing key", MASTER: "master key"}
        self.shown: list[str] = []
        self.lines: list[str] = []
        self.spans = spans

    def keep(self, what: str, *values: str) -> None:
        """A secret that came up."""
        self.secrets.update({value: what for value in values if len(value) >= 8})

    def answered(self, answer: Answer, *but: str) -> None:
        """An answer; `but` are fields that are there to hold a secret, once."""
        body = {name: value for name, value in answer.body.items() if name not in but} if but else answer.body
        heads = {
            name: value for name, value in answer.headers.items() if name.lower() not in {"set-cookie", "location"}
        }
        self.shown.append(f"{body} {heads}")

    def issued(self) -> None:
        """All that the platforms have given out so far."""
        for shop in self.running.sandbox.shops.values():
            self.keep("token", *shop.ledger.tokens)
            self.keep("code", *shop.ledger.codes)
            for app in shop.apps:
                self.keep("app secret", *(value for name, value in app.credentials.items() if name not in _PUBLIC))

    def found(self, text: str) -> set[str]:
        """What stands in a text, plainly or as it may be encoded; never the secrets themselves."""
        return {
            what
            for secret, what in self.secrets.items()
            if any(form in text for form in (secret, quote(secret, safe=""), secret.encode().hex()))
        }


class _Traced(trace.NoOpTracerProvider):
    """Everything of every span."""

    def __init__(self, spans: list[str]) -> None:
        self._spans = spans

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        return self

    def start_span(self, *told: Any, **more: Any) -> trace.Span:
        """A span that began."""
        self._spans.append(f"{told} {more}")
        return trace.INVALID_SPAN


class _Kept(logging.Handler):
    """Everything of every record, whatever a formatter would show of it."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines
        self._plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{self._plain.format(record)} {vars(record)}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def canaries(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Canaries]:
    home, spans = tmp_path_factory.mktemp("home"), list[str]()
    root, level = logging.getLogger(), logging.getLogger().level
    with pytest.MonkeyPatch.context() as patch:
        # what a program that configures tracing has done; it has imported both
        assert metrics.get_meter_provider() is not None
        patch.setattr("opentelemetry.trace._TRACER_PROVIDER", _Traced(spans))
        async with deployment(database_url, home, 12, **_QUICK) as running:  # type: ignore[arg-type] # settings are texts
            made = Canaries(running, home, spans)
            handler = _Kept(made.lines)
            root.addHandler(handler)
            root.setLevel(logging.DEBUG)
            try:
                for provider in PLATFORMS:
                    await _live(made, provider)
                await _people(made)
                made.issued()
                yield made
            finally:
                root.removeHandler(handler)
                root.setLevel(level)


async def _live(canaries: Canaries, provider: str) -> None:
    """Connect, read, and all that goes wrong in between."""
    running, shop = canaries.running, canaries.running.sandbox.shops[provider]
    amy = await running.merchant("Canary")
    canaries.keep("bearer token", amy.token, amy.token.rpartition(".")[2])
    connection = await _consent(canaries, amy, provider, approve=False)
    connection = await _consent(canaries, amy, provider)
    for kind, times in [("html", 4), ("", 0), ("truncate", 1), ("expired_token", 1), ("server_error", 1), ("cut", 1)]:
        if kind:
            shop.faults.add("*product*", kind, times=times)
        run = await amy.sync(connection)
        canaries.shown.append(str(run))
        shop.faults.clear()
        for path in (f"/api/sync/runs/{run['id']}/errors", f"/api/connections/{connection}", "/api/audit"):
            canaries.answered(await amy.call("GET", path))
    canaries.issued()
    shop.faults.add("*/token*", "server_error")
    shop.ledger.revoke(shop.sellers[0].id)
    canaries.shown.append(str(await amy.sync(connection)))
    canaries.answered(await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"}))
    canaries.answered(await amy.call("POST", f"/api/connections/{connection}/test"))
    shop.faults.clear()
    canaries.answered(await amy.call("GET", f"/api/products?access_token={amy.token}"))
    canaries.answered(
        await amy.call("POST", "/api/connections", {"provider": provider, "apiKey": "canary-api-key-given"})
    )
    canaries.answered(
        await amy.call("POST", "/api/connections", {"provider": provider, "secret": "canary-in-no-field"})
    )
    canaries.keep("key given", "canary-api-key-given", "canary-in-no-field")
    canaries.answered(await amy.call("GET", "/api/listings?limit=100"))
    await amy.call("DELETE", f"/api/connections/{connection}")


async def _people(canaries: Canaries) -> None:
    """What is shown once to whoever is to have it: keys, invitations, sessions, resets; and a password."""
    amy = await canaries.running.merchant("People")
    keys = f"/api/merchants/{amy.tenant_id}/api-keys"
    made = (await amy.call("POST", keys, {"name": "Till", "permissions": ["products:read"]})).body["data"]
    rotated = (await amy.call("POST", f"{keys}/{made['id']}/rotate", {})).body["data"]
    canaries.keep("api key", made["key"], rotated["key"])
    for key in (made["key"], rotated["key"]):
        async with amy.browser.get(f"{canaries.running.address}/api/products", headers={"x-api-key": key}) as shown:
            assert shown.status == 200
            canaries.shown.append(f"{await shown.text()} {shown.headers}")
    email = "canary@example.com"
    invited = (await amy.call("POST", "/api/tenant/members", {"email": email, "roles": ["user"]})).body
    word = {"password": "plenty of dew by the quiet bay"}
    canaries.keep("password", word["password"])
    canaries.keep("invitation", invited["invitation"])
    canaries.answered(await amy.call("POST", "/api/auth/accept", {"invitation": invited["invitation"], **word}))
    said = {"tenant": amy.tenant_id, "email": email, **word}
    canaries.keep("session", (await amy.call("POST", "/api/auth/login", said)).body["token"])
    wrong = {**said, "password": "plenty of kites by the quiet bay"}
    canaries.keep("password", wrong["password"])
    canaries.answered(await amy.call("POST", "/api/auth/login", wrong))
    reset = (await amy.call("POST", f"/api/tenant/members/{invited['id']}/password-reset")).body
    canaries.keep("reset", reset["reset"])
    for path in (keys, "/api/tenant/members", "/api/audit"):
        canaries.answered(await amy.call("GET", path))


async def _consent(canaries: Canaries, amy: Merchant, provider: str, *, approve: bool = True) -> str:
    opened = await amy.call("POST", "/api/connections", {"provider": provider})
    canaries.answered(opened, "authorizationUrl", "state")
    link = opened.body["authorizationUrl"]
    canaries.keep("cookie", *re.findall(r"isthmus_flow_\w+=([^;]+)", str(opened.headers.get("set-cookie"))))
    canaries.keep("link", *(value for _, value in parse_qsl(urlsplit(link).query)))
    async with amy.browser.get(link, allow_redirects=False) as answer:
        consent = answer.headers["location"]
    back = await walk(consent, approve=approve)
    given = dict(parse_qsl(urlsplit(back).query))
    canaries.keep("code", given.get("code", ""))
    canaries.keep("state", opened.body["state"])
    for _ in range(2):  # the second time it is a replay
        async with amy.browser.get(back, allow_redirects=False) as answer:
            canaries.shown.append(f"{await answer.text()} {answer.headers.get('location', '')}")
    return str(opened.body["id"])


def test_LO_03_there_is_something_to_find(canaries: Canaries) -> None:
    kinds = set(canaries.secrets.values())
    assert kinds >= {"api key", "invitation", "session", "reset", "password"}
    assert kinds >= {"token", "code", "app secret", "bearer token", "state", "link", "cookie", "key given"}
    assert len(canaries.secrets) > 40
    assert len(canaries.lines) > 100
    assert canaries.found("x " + next(iter(canaries.secrets)) + " y")


def test_OA_12_no_code_state_or_token_is_in_a_log_or_a_span(canaries: Canaries) -> None:
    issued = {secret for secret, what in canaries.secrets.items() if what in {"code", "state", "token", "link"}}
    assert len(issued) > 20
    assert len(canaries.spans) > 40, "calls were traced"
    told = [*canaries.lines, *canaries.spans]
    assert [_named(text) for text in told if any(one in text for one in issued)] == []
    assert [canaries.found(text) for text in canaries.spans if canaries.found(text)] == []


def test_LO_03_no_secret_is_logged(canaries: Canaries) -> None:
    assert [(canaries.found(line), _named(line)) for line in canaries.lines if canaries.found(line)] == []


def _named(line: str) -> str:
    """The logger and place of a line, without its content."""
    return " ".join(re.findall(r"'(?:name|pathname|lineno)': ('[^']*'|\d+)", line))


def test_LO_03_no_secret_is_answered(canaries: Canaries) -> None:
    assert [canaries.found(text) for text in canaries.shown if canaries.found(text)] == []


async def test_LO_03_AK_02_SE_05_no_secret_is_in_the_database(canaries: Canaries, copied: Copy) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    sql = "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
    rows = 0
    for schema, table in await admin.fetch(sql):
        for row in await admin.fetch(f'select to_jsonb(t)::text as row from "{schema}"."{table}" t'):  # noqa: S608
            rows += 1
            assert canaries.found(row["row"]) == set(), f"{schema}.{table}"
    assert rows > 100
    await admin.close()


def _files(folder: Path) -> Iterator[Path]:
    return (one for one in folder.rglob("*") if one.is_file())


def test_LO_03_no_secret_is_in_a_file(canaries: Canaries) -> None:
    for file in _files(canaries.home):
        assert canaries.found(file.read_bytes().decode("latin-1")) == set(), file.name


def test_LO_03_the_databases_own_log_tells_none(canaries: Canaries, postgres: EmbeddedPostgres) -> None:
    for file in postgres.data.glob("*.log"):
        assert canaries.found(file.read_bytes().decode("latin-1")) == set(), file.name


def test_LO_03_what_a_program_prints_of_itself_tells_none(canaries: Canaries) -> None:
    platform: Any = canaries.running.platform
    printed = f"{platform!r} {platform.settings!r} {platform.engine.parts!r} {platform.signing!r}"
    assert canaries.found(printed) == set()
