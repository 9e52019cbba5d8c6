"""A connector made of data: what it sends, what it makes of answers, and that no data makes it do more."""

import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given as each
from hypothesis import strategies as st
from multidict import CIMultiDict
from tests.given import catalog as given
from tests.given.connectors import shipped
from tests.given.crm import KEY, Crm, crm

from isthmus.client import (
    AddressGuard,
    ApiClient,
    PlatformError,
    RefreshFailed,
    RefreshRefused,
    Request,
    Response,
    Tokens,
)
from isthmus.client.errors import MalformedBody
from isthmus.client.url import parse
from isthmus.connect import declarative
from isthmus.connect.declarative import Declared, Searching, fields, pages
from isthmus.connect.declarative.fields import Mapper
from isthmus.connect.expressions import expression, find
from isthmus.connect.manifest import Manifest
from isthmus.connect.service import TRANSFORMS, EntityMapping, FieldMapping, Paging
from isthmus.connect.spi import (
    Account,
    App,
    Callback,
    Consent,
    RawRecord,
    Searcher,
    SearchFor,
    Session,
    Unmappable,
    Window,
)
from isthmus.features.catalog.model import definitions, document
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = Window(None, NOW)
_OPENED: list[ApiClient] = []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far() -> AsyncIterator[Crm]:
    async with crm() as running:
        yield running
        while _OPENED:
            await _OPENED.pop().aclose()


def manifest(far: Crm | None = None, **changes: Any) -> Manifest:
    url = far.url if far is not None else "https://api.example.com"
    told = given.document("acme") | {"hosts": {"api": url}} | changes
    return definitions.manifest_of(document.new_provider(told))


def consenting(far: Crm, **changes: Any) -> Manifest:
    """The same service with OAuth."""
    oauth = {
        "authorizeUrl": f"{far.url}/authorize", "tokenUrl": f"{far.url}/token", "revokeUrl": f"{far.url}/revoke",
        "scopes": ["read", "offline"], "pkce": True, "extraParams": {"prompt": "consent"},
    }  # fmt: skip
    service = {
        "attach": [{"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}],
        "verify": {"path": "/me", "account": "account.id", "name": "account.name"},
    }
    return manifest(far, authType="oauth2", oauthConfig=oauth, service=service, **changes)


def client(told: Manifest, auth: Any = None) -> ApiClient:
    hosts = declarative.static(told.hosts)
    connector = Declared(told)
    made = ApiClient(
        hosts["api"], auth=auth, guard=AddressGuard(["127.0.0.0/8"]), classify=connector.classify, hosts=hosts.values()
    )
    _OPENED.append(made)
    return made


class _Attached:
    """Signs as the platform's own clients do."""

    identity = "test"

    def __init__(self, connector: Declared, app: App) -> None:
        self._connector, self._app = connector, app

    def flow(self, request: Request, now: datetime) -> Any:
        yield self._connector.attach(self._app, Account("7"), request, Tokens(Secret("canary-access-1")), now)


def app(made: Manifest, **credentials: str) -> App:
    return App({name: Secret(value) for name, value in credentials.items()}, made.hosts)


def session(made: Manifest, **credentials: str) -> Session:
    signed = app(made, **credentials)
    return Session(client(made, _Attached(Declared(made), signed)), made.hosts, Account("7"), SYSTEM)


@pytest.mark.parametrize(
    ("attach", "credentials"),
    [
        ([{"place": "header", "name": "Authorization", "value": "Bearer {api_key}"}], {"api_key": KEY}),
        ([{"place": "basic", "value": "{username}:{password}"}], {"username": "ann", "password": "canary-pw"}),
        (
            [
                {"place": "header", "name": "X-Key", "value": "{key}"},
                {"place": "header", "name": "X-Site", "value": "{site}"},
            ],
            {"key": KEY, "site": "north"},
        ),
    ],
)
async def test_each_way_of_signing_in_is_proven_by_the_verification_call(
    far: Crm, attach: list[dict[str, str]], credentials: dict[str, str]
) -> None:
    names = [{"name": name, "secret": True} for name in credentials]
    service = {"attach": attach, "verify": {"path": "/me", "account": "account.id", "name": "account.name"}}
    made = manifest(far, authType="custom", credentialFields=names, service=service)
    assert await Declared(made).test(session(made, **credentials)) == Account("7", "North office")
    wrong = dict.fromkeys(credentials, "wrong")
    with pytest.raises(PlatformError):
        await Declared(made).test(session(made, **wrong))


async def test_a_graphql_query_proves_credentials_and_its_errors_are_a_no(far: Crm) -> None:
    verify = {"path": "/graphql", "graphql": "{ viewer { id } }", "account": "data.viewer.id"}
    attach = [{"place": "header", "name": "Authorization", "value": "Bearer {api_key}"}]
    service = {"attach": attach, "verify": verify, "failing": {"when": "errors", "message": "errors[0].message"}}
    made = manifest(far, service=service)
    assert await Declared(made).test(session(made, api_key=KEY)) == Account("7")
    with pytest.raises(PlatformError, match="Who are you"):
        await Declared(made).test(session(made, api_key="wrong"))
    other = manifest(far, service=service | {"verify": verify | {"graphql": "query { nobody { id } }"}})
    with pytest.raises(PlatformError, match="no such field"):
        await Declared(other).test(session(other, api_key=KEY))
    with pytest.raises(Invalid, match="go together"):
        manifest(far, service=service | {"verify": verify | {"graphql": "mutation { drop }"}})


async def test_pages_follow_the_cursor_and_the_same_cursor_may_be_asked_again(far: Crm) -> None:
    made, connector = manifest(far), Declared(manifest(far))
    opened = session(made, api_key=KEY)
    seen: list[str] = []
    cursor = None
    while True:
        page = await connector.pull(opened, "people", EVERYTHING, cursor)
        again = await connector.pull(opened, "people", EVERYTHING, cursor)
        assert [one.external_id for one in again.records] == [one.external_id for one in page.records]
        seen += [one.external_id for one in page.records]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == ["1", "2", "3", "4", "5"]
    first = connector.map("people", page.records[0], Account("7"))
    assert (first.entity, first.shard_type, first.title, first.body) == (
        "people", "contact", "eve", {"email": "eve@example.com"},
    )  # fmt: skip


async def test_the_far_sides_own_search_answers_mapped_records(far: Crm) -> None:
    made = manifest(far)
    searcher = declarative.connector_of(made)
    assert isinstance(searcher, Searching)
    held: Searcher = searcher  # it keeps the contract that the search looks for
    assert isinstance(held, Searcher)
    opened = session(made, api_key=KEY)
    found = await searcher.search(opened, SearchFor("A", (), None, None, {}, 2))
    assert [(one.entity, one.title, one.snippet) for one in found] == [
        ("people", "ann", "ann@example.com"), ("people", "dan", "dan@example.com"),
    ]  # fmt: skip
    assert await searcher.search(opened, SearchFor("A", ("ghosts",), None, None, {}, 2)) == []
    assert await searcher.search(opened, SearchFor("A", (), datetime(2027, 1, 1, tzinfo=UTC), None, {}, 2)) == []
    plain = manifest(far, supportsSearch=False, searchableEntities=[], searchCapabilities=None, availableEntities=[
        given.document("x")["availableEntities"][0] | {"endpoint": {"path": "/people"}}
    ])  # fmt: skip
    assert not isinstance(declarative.connector_of(plain), Searcher)


async def test_one_record_is_read_by_its_id_and_a_missing_one_is_none(far: Crm) -> None:
    entity = given.document("x")["availableEntities"][0]
    endpoint = entity["endpoint"] | {"one": "/people/{id}", "item": "person"}
    made = manifest(far, availableEntities=[entity | {"endpoint": endpoint}])
    connector, opened = Declared(made), session(made, api_key=KEY)
    raw = await connector.fetch(opened, "people", "2")
    assert raw is not None
    assert connector.map("people", raw, Account("7")).title == "bob"
    assert await connector.fetch(opened, "people", "99") is None
    assert await connector.fetch(opened, "people", "../me") is None
    with pytest.raises(LookupError):
        await Declared(manifest(far)).fetch(opened, "people", "2")


async def test_what_the_facts_do_not_describe_is_refused_in_words(far: Crm) -> None:
    made = manifest(far)
    opened = session(made, api_key=KEY)
    with pytest.raises(Unmappable):
        await Declared(made).pull(opened, "ghosts", EVERYTHING, None)


async def test_a_consent_is_exchanged_once_refreshed_and_revoked(far: Crm) -> None:
    made = consenting(far, variables=[{"name": "office", "source": "token"}])
    connector, held = Declared(made), app(made, client_id="app", client_secret="canary-app-secret")
    link = connector.consent_url(held, Consent("https://here.example/back", "s", "c"), NOW)
    asked = dict(parse(link).pairs())
    assert (asked["scope"], asked["prompt"], asked["code_challenge_method"]) == ("read offline", "consent", "S256")
    callback = connector.read_callback({"code": "x", "state": "s"}, "https://here.example/back")
    async with client(made) as plain:
        granted = (await connector.exchange(held, callback, plain, SYSTEM))[0]
        assert (granted.account.id, granted.account.extra) == ("7", {"office": "north"})
        fresh = await connector.refresh(held, granted.account, granted.tokens, plain, SYSTEM)
        assert fresh.access_token != granted.tokens.access_token
        assert fresh.refresh_token == granted.tokens.refresh_token, "one that is not answered anew stays"
        assert await connector.revoke(held, granted.account, fresh, plain, SYSTEM) is True
        assert far.asked["revoked canary-refresh"] == 1
        dead = Tokens(Secret("a"), Secret("other"))
        with pytest.raises(RefreshRefused):
            await connector.refresh(held, granted.account, dead, plain, SYSTEM)
        with pytest.raises(RefreshRefused):
            await connector.refresh(held, granted.account, Tokens(Secret("a")), plain, SYSTEM)
        wrong = app(made, client_id="app", client_secret="wrong")
        with pytest.raises(RefreshFailed):
            await connector.refresh(wrong, granted.account, granted.tokens, plain, SYSTEM)
        with pytest.raises(PlatformError):
            await connector.exchange(wrong, Callback(Secret("x"), "https://here.example/back"), plain, SYSTEM)


def _trading(url: str, **oauth: Any) -> Manifest:
    given_oauth = {"grantType": "client_credentials", "tokenUrl": f"{url}/token", "scopes": ["read", "write"], **oauth}
    bearing = {"attach": [{"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}]}
    return manifest(None, hosts={"api": url}, authType="custom", oauthConfig=given_oauth, service=bearing)


@pytest.mark.parametrize(
    ("status", "answer", "raised"),
    [
        (200, {"access_token": "t", "expires_in": 60, "refresh_token": "r"}, None),
        (401, {"error": "invalid_client"}, RefreshRefused),
        (400, {"error": "unauthorized_client"}, RefreshRefused),
        (401, {}, RefreshRefused),
        (400, {"error": "invalid_scope"}, PlatformError),
        (503, {}, PlatformError),
        (200, {"error": "no"}, MalformedBody),
        (200, [], MalformedBody),
    ],
)
async def test_keys_are_traded_as_the_facts_say_and_only_a_refusal_of_them_is_final(
    status: int, answer: Any, raised: type[Exception] | None
) -> None:
    asked: list[tuple[str, str, str]] = []

    async def token(request: web.Request) -> web.Response:
        kind = request.headers.get("Content-Type", "").partition(";")[0]
        asked.append((kind, request.headers.get("Authorization", ""), await request.text()))
        return web.json_response(answer, status=status)

    far_side = web.Application()
    far_side.add_routes([web.post("/token", token)])
    async with TestServer(far_side) as server:
        url = str(server.make_url("")).rstrip("/")
        for oauth in ({"extraParams": {"audience": "shop"}}, {"clientAuth": "basic", "bodyFormat": "json"}):
            made = _trading(url, **oauth)
            held = app(made, client_id="me", client_secret="s&1")
            async with client(made) as plain:
                trade = Declared(made).refresh(held, Account("7"), Tokens(Secret("")), plain, SYSTEM)
                if raised is not None:
                    with pytest.raises(raised) as failure:
                        await trade
                    assert raised is RefreshRefused or not isinstance(failure.value, RefreshRefused)
                    continue
                fresh = await trade
            assert (fresh.access_token.reveal(), fresh.refresh_token) == ("t", None), "it has no place here"
    first = "grant_type=client_credentials&audience=shop&scope=read+write&client_id=me&client_secret=s%261"
    assert asked[0][:2] == ("application/x-www-form-urlencoded", "")
    assert dict(parse_qsl(asked[0][2])) == dict(parse_qsl(first))
    kind, basic, body = asked[-1]
    assert (kind, basic) == ("application/json", f"Basic {b64encode(b'me:s&1').decode()}")
    assert msgspec.json.decode(body) == {"grant_type": "client_credentials", "scope": "read write"}


async def test_an_account_without_a_name_of_its_own_gets_one_and_keeps_it(far: Crm) -> None:
    service = {
        "attach": [{"place": "header", "name": "Authorization", "value": "Bearer {api_key}"}],
        "verify": {"path": "/me"},
    }
    made = manifest(far, service=service)
    opened = session(made, api_key=KEY)
    unknown = Session(opened.client, opened.app_hosts, Account(""), SYSTEM)
    first, second = await Declared(made).test(unknown), await Declared(made).test(unknown)
    assert first.id.startswith("own-")
    assert first.id != second.id
    known = Session(opened.client, opened.app_hosts, first, SYSTEM)
    assert (await Declared(made).test(known)).id == first.id


async def test_an_answer_that_names_nobody_is_no_proof(far: Crm) -> None:
    service = {
        "attach": [{"place": "header", "name": "Authorization", "value": "Bearer {api_key}"}],
        "verify": {"path": "/me", "account": "account.nothing"},
    }
    made = manifest(far, service=service)
    with pytest.raises(MalformedBody):
        await Declared(made).test(session(made, api_key=KEY))


def test_a_failure_that_comes_with_200_is_seen() -> None:
    service = given.document("x")["service"] | {"failing": {"when": "ok == `false`", "code": "error"}}
    connector = Declared(manifest(service=service))
    failed = connector.classify(Response(200, {}, b'{"ok": false, "error": "not_authed"}'))
    assert failed is not None
    assert failed.code == "not_authed"
    assert connector.classify(Response(200, {}, b'{"ok": true}')) is None
    assert connector.classify(Response(200, {}, b"<html>")) is None
    teapot = connector.classify(Response(418, {}, b'{"errors": [{"detail": "Tea."}]}'))
    assert teapot is not None
    assert teapot.message == "Tea."


def test_a_credential_that_looks_like_a_template_is_sent_as_it_is() -> None:
    made = manifest(service={"attach": [{"place": "basic", "value": "{api_key}:{account}"}]})
    address = parse("https://api.example.com/me")
    held = app(made, api_key="{account}")
    signed = Declared(made).attach(held, Account("7"), Request("GET", address, CIMultiDict()), Tokens(Secret("")), NOW)
    assert signed.headers["Authorization"] == "Basic e2FjY291bnR9Ojc="


@pytest.mark.parametrize(
    ("transform", "value", "made"),
    [
        ("text", 7, "7"), ("text", True, "true"), ("trim", "  a ", "a"), ("lower", "Ab", "ab"), ("upper", "ab", "AB"),
        ("number", "1.50", 1.5), ("number", "3", 3), ("integer", "3.9", 3), ("boolean", "Yes", True),
        ("boolean", 0, False), ("date", "2026-01-02T03:04:05+07:00", "2026-01-01T20:04:05Z"),
        ("date", "2026-01-02", "2026-01-02T00:00:00Z"), ("epoch", 1767225600, "2026-01-01T00:00:00Z"),
        ("epoch_ms", "1767225600000", "2026-01-01T00:00:00Z"), ("plain_text", "<p>Hi <b>you</b></p>", "Hi you"),
        ("first", [1, 2], 1), ("first", [], None), ("join", ["a", 2], "a, 2"), ("count", [1, 2], 2),
    ],
)  # fmt: skip
def test_each_transform_of_the_fixed_list_does_its_one_thing(transform: Any, value: object, made: object) -> None:
    assert transform in TRANSFORMS
    assert fields.changed(FieldMapping(source="v", target="v", transform=transform), {"v": value}) == made


@pytest.mark.parametrize(
    ("transform", "value"),
    [("number", "x"), ("number", "nan"), ("date", "soon"), ("epoch", 10**18), ("text", {}), ("integer", True)],
)
def test_a_value_that_a_transform_cannot_read_costs_that_record(transform: Any, value: object) -> None:
    with pytest.raises(Unmappable):
        fields.changed(FieldMapping(source="v", target="v", transform=transform), {"v": value})


def test_without_a_mapping_the_usual_names_are_read() -> None:
    mapper = Mapper.of("things", "document", None)
    record = mapper.record({"id": 7, "name": "Plan", "updated_at": "2026-01-02T00:00:00Z", "x": 1})
    assert (record.external_id, record.title, record.updated_at) == ("7", "Plan", datetime(2026, 1, 2, tzinfo=UTC))
    assert record.body["x"] == 1
    assert mapper.record({"id": "a", "url": "javascript:alert(1)"}).url is None


@each(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s), max_leaves=20))  # fmt: skip # noqa: E501
def test_no_record_breaks_the_mapper(value: object) -> None:
    mapping = EntityMapping(
        entity="a", shard_type="b", field_mappings=(FieldMapping(source="*", target="x", transform="text"),)
    )
    for mapper in (Mapper.of("a", "b", None), Mapper.of("a", "b", mapping)):
        with contextlib.suppress(Unmappable):
            mapper.record(value)


@each(st.text(max_size=600))
def test_no_text_breaks_the_expressions(source: str) -> None:
    with contextlib.suppress(ValueError):
        expression(source)
    find(source, {"a": [1, {"b": None}]})


@pytest.mark.parametrize(
    "source",
    [
        "[@, @] | " * 40 + "@",
        "[@, @] | " * 40 + "to_string(@)",
        "map(&[@, @], " * 20 + "@" + ")" * 20,
        "[?" + "[@,@]|" * 60 + "to_string(@) == 'a']",
        "a" + ".{a: [@, @]}.a" * 30,
        "values(@)" + " | {a: @, b: @}" * 30,
        "join(between, names)",
    ],
)
def test_IN_04_what_doubles_a_record_again_and_again_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="times as much"):
        expression(source)
    assert find(source, {"a": 1}) is None


@pytest.mark.parametrize(
    ("source", "value", "made"),
    [
        ("join(' ', [first, last]) || email", {"first": "Ann", "last": "Lee"}, "Ann Lee"),
        (
            "items[?count > `0`].{sku: sku, name: name} | sort_by(@, &sku)[*].sku",
            {"items": [{"sku": "b", "count": 1}, {"sku": "a", "count": 2}, {"sku": "c", "count": 0}]},
            ["a", "b"],
        ),
        ("places[*].[street, city][] | [1]", {"places": [{"street": "High", "city": "Hue"}]}, "Hue"),
        ("{" + ", ".join(f"f{n}: a.b{n}" for n in range(30)) + "}.f7", {"a": {"b7": 1}}, 1),
    ],
)
def test_what_reads_a_record_part_by_part_is_taken(source: str, value: Any, made: Any) -> None:
    assert find(source, value) == made


def test_parts_of_addresses_stay_parts() -> None:
    hosts = {"api": "https://{site}.example.com/{path}", "own": "{base}/v1", "fixed": "https://example.org"}
    values = {"site": "north", "path": "a-b", "base": "https://eu.example.com/"}
    assert declarative.fill(hosts, values) == {
        "api": "https://north.example.com/a-b", "own": "https://eu.example.com/v1", "fixed": "https://example.org",
    }  # fmt: skip
    assert declarative.fill(hosts, {"base": values["base"]}).keys() == {"own", "fixed"}
    for wrong in ("evil.com/", "a@b", "a/../b", "a#", "a?b", "a b", "", ".", "[::1]", "a\n", "x" * 300):
        with pytest.raises(ValueError, match="site") if wrong else pytest.raises(KeyError):
            declarative.fill(hosts, values | {"site": wrong})["api"]
    for wrong in ("http://eu.example.com", "https://a:b@c.example", "eu.example.com", "https://e.example?x=1"):
        with pytest.raises(ValueError, match="base"):
            declarative.fill(hosts, values | {"base": wrong})


@pytest.mark.parametrize(
    ("paging", "answer", "headers", "following"),
    [
        (Paging(style="none"), {"items": [1, 2]}, {}, None),
        (Paging(style="page", param="p"), {}, {}, ({"p": 2}, None)),
        (Paging(style="offset", total="total"), {"total": 5}, {}, ({"offset": 2, "limit": 2}, None)),
        (Paging(style="offset", total="total"), {"total": 2}, {}, None),
        (Paging(style="cursor", cursor="meta.next"), {"meta": {"next": "c"}}, {}, ({"cursor": "c"}, None)),
        (Paging(style="link"), {}, {"Link": '<https://a.example/2>; rel="next"'}, ({}, "https://a.example/2")),
        (Paging(style="next_url", cursor="links.next"), {"links": {"next": "/2"}}, {}, ({}, "/2")),
    ],
)
def test_each_way_of_paging_goes_on_and_its_place_is_a_text(
    paging: Paging, answer: object, headers: dict[str, str], following: object
) -> None:
    way = pages.of(paging, 2)
    step = way.after(way.first(), Response(200, headers, msgspec.json.encode(answer)), [1, 2])
    place = pages.written(step)
    assert (None if place is None else (dict(pages.read(place).query), pages.read(place).url)) == following


def test_a_record_that_is_no_json_is_unmappable() -> None:
    with pytest.raises(Unmappable):
        Declared(manifest()).map("people", RawRecord("1", b"<html>"), Account("7"))


@pytest.mark.parametrize(
    ("provider", "no", "yes"),
    [
        ("slack", {"ok": False, "error": "invalid_auth"}, {"ok": True, "team_id": "T1"}),
        ("ghn", {"code": 401, "message": "Token is not valid!", "data": None}, {"code": 200, "data": {"shops": []}}),
        ("linear", {"errors": [{"message": "Authentication required"}]}, {"data": {"viewer": {"id": "u1"}}}),
        ("monday", {"errors": [{"message": "Not Authenticated"}]}, {"data": {"me": {"id": "7"}}}),
    ],
)
def test_platforms_that_say_no_with_200_are_understood(provider: str, no: dict[str, Any], yes: dict[str, Any]) -> None:
    connector = Declared(shipped()[provider].manifest)
    failed = connector.classify(Response(200, {}, msgspec.json.encode(no)))
    assert failed is not None
    assert failed.kind == "refused"
    assert connector.classify(Response(200, {}, msgspec.json.encode(yes))) is None


def test_too_many_calls_are_told_from_a_refusal_whatever_the_status() -> None:
    plain = given.document("x")["service"]
    told = Declared(manifest(service=plain | {"throttled": "[0].errorCode == 'REQUEST_LIMIT_EXCEEDED'"}))
    day = b'[{"message": "Over the limit of a day.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]'
    found = [
        (told, Response(403, {}, day)),
        (told, Response(403, {}, b'[{"message": "No.", "errorCode": "INSUFFICIENT_ACCESS"}]')),
        (told, Response(403, {"X-RateLimit-Remaining": "0"}, b"{}")),
        (told, Response(403, {"X-RateLimit-Remaining": "7"}, b"{}")),
        (told, Response(403, {"Retry-After": "60"}, b"{}")),
        (Declared(manifest(service=plain)), Response(403, {}, day)),
    ]
    verdicts = [connector.classify(answer) for connector, answer in found]
    assert [one.kind for one in verdicts if one] == [
        "throttled", "refused", "throttled", "refused", "throttled", "refused",
    ]  # fmt: skip
    assert verdicts[0] is not None
    assert (verdicts[0].code, verdicts[0].message) == ("REQUEST_LIMIT_EXCEEDED", "Over the limit of a day.")
