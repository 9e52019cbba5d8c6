"""Checks of a connector's folder that need nobody else: its facts, and its pure functions over its samples."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import msgspec
from multidict import CIMultiDict

from isthmus.client import Failure, Request, Response, Tokens
from isthmus.client.url import encode, parse
from isthmus.connect import manifest as facts
from isthmus.connect.conformance import samples as read
from isthmus.connect.conformance.report import Broken, Finding, require
from isthmus.connect.conformance.walls import forbidden_imports, wall
from isthmus.connect.reading import Loose
from isthmus.connect.registry import Found
from isthmus.connect.service import names_in
from isthmus.connect.shapes import Listing, Order
from isthmus.connect.spi import Account, App, Connector, Consent, ConsentDenied, RawRecord, ReadsOrders, Unmappable
from isthmus.kit.secret import Secret

_NOW = datetime(2026, 11, 5, 3, 0, tzinfo=UTC)
_REDIRECT = "https://isthmus.example/callback/reg_1"
_STATE = "state-0123456789abcdef"
_UNSAFE_SVG = re.compile(
    r"<\s*(script|foreignObject|iframe)|\bon\w+\s*=|javascript:|https?://(?!www\.w3\.org/)", re.IGNORECASE
)
_MARK = "isthmus-conformance-secret-"
_DEPTH = 6
_TO_SIGN_IN = frozenset({"consent", "token", "refresh", "revoke"})
#: Values that no field of any platform is promised to survive, only to be refused in words.
_HOSTILE = tuple(
    text.encode()
    for text in (
        *("null", "[]", "{}", '""', "true", "-1", "0", "1e999", "9" * 26, "0.1", '"x"', '"NaN"', '"1e5"'),
        *('"\\u0000"', '"\\ud800"', "[null]", "[[]]", '[{"a":1}]', '{"a":{"b":[]}}', f'"{"9" * 5000}"', "9" * 5000),
        *("[" * 2000 + "]" * 2000, '"0000-00-00 00:00:00"', '"9999-12-31 23:59:59"', "253402300800000"),
    )
)
_NOT_RECORDS = (b"", b"nonsense", b"[]", b"null", b"{", b"\xff\xfe", b"<html></html>", b"[" * 100_000)
_ANSWERS = (
    *(b"", b"null", b"[]", b"{}", b'"x"', b"<!doctype html><html></html>", b'{"data":[', b"\xff", b'{"error":{}}'),
    *(b'{"error":[1]}', b'{"code":{"a":1}}', b'{"code":null,"error":null,"errors":null}', b'{"errors":{"a":1}}'),
    *(b'{"error":' + b"[" * 2000, b'{"error":"\\ud800","code":"\\ud800"}', b'{"result":{"success":"no"},"code":"0"}'),
    b'{"message":' + b"9" * 5000 + b"}",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked."""

    found: Found
    connector: Connector
    samples: list[read.Sample]

    def app(self) -> App:
        """A registration whose secrets can be recognised wherever they turn up; numbers where the form wants them."""
        manifest = self.found.manifest
        fields = manifest.app_fields
        entered = {one.name: f"entered-{one.name}" for one in manifest.credential_fields}
        values = entered | {one.name: f"{_MARK}{one.name}" if one.secret else "1234567" for one in fields}
        return App({name: Secret(value) for name, value in values.items()}, self.found.manifest.hosts)


Check = Callable[[Subject], None]


def facts_are_complete(subject: Subject) -> None:
    """The manifest names itself, its hosts, limits, entities and what has been proven; icon and guide are there."""
    manifest = subject.found.manifest
    require({"en", "vi"} <= manifest.names.keys(), "names in English and Vietnamese")
    require(manifest.documentation_url.startswith("https://"), "documentation_url is an https address")
    require(manifest.api_version, "api_version")
    for name, host in manifest.hosts.items():
        parts = urlsplit(host)
        given = host.startswith("{") and set(names_in(host)) <= {one.name for one in manifest.variables}
        # facts alone name whole addresses to sign in at (`connect.service`)
        ends = manifest.service is not None and name in _TO_SIGN_IN
        whole = parts.scheme == "https" and parts.hostname and (ends or not parts.path)
        require(given or whole, f"host {name} is an https origin, or given by the merchant")
    require(manifest.limits and all(limit.source for limit in manifest.limits), "each limit says where it is from")
    require(manifest.entities, "at least one entity")
    require(manifest.quality, "a table of what has been proven")
    if manifest.auth == "oauth2":
        require(any(one.secret for one in manifest.app_fields), "the app's secret is marked as one")
    for name in ("guide.md", "icon.svg"):
        require((subject.found.folder / name).is_file(), f"{name} is missing")


def the_icon_is_inert(subject: Subject) -> None:
    """An SVG without script, event handlers or foreign addresses."""
    text = (subject.found.folder / "icon.svg").read_text("utf-8")
    require(text.lstrip().startswith("<svg") and len(text) < 20_000, "icon.svg is a small SVG")
    require(not _UNSAFE_SVG.search(text), "icon.svg holds something active or an outside address")


def imports_stay_inside_the_contract(subject: Subject) -> None:
    """Connector and mapping know the contract, the client and the kit; they and their emulator are strangers."""
    found = list(forbidden_imports(subject.found.folder))
    require(not found, "; ".join(found))


def unknown_facts_are_refused(subject: Subject) -> None:
    """A manifest with a field nobody knows is not read (PL-06)."""
    data = msgspec.to_builtins(subject.found.manifest)
    msgspec.convert(data, facts.Manifest)
    for where in (data, data["entities"][0], data["limits"][0]):
        where["surprise"] = 1
        try:
            msgspec.convert(data, facts.Manifest)
        except msgspec.ValidationError:
            del where["surprise"]
            continue
        raise Broken("an unknown field was accepted")


def samples_become_their_listings(subject: Subject) -> None:
    """Each sample record maps to the listing that stands beside it, twice alike."""
    found = read.of(read.ListingSample, subject.samples)
    require(found, "samples/ holds no record of kind `listing`")
    for sample in found:
        with wall():
            first = subject.connector.map_listing(sample.record(), sample.account.account())
            second = subject.connector.map_listing(sample.record(), sample.account.account())
        require(first == second, f"{sample.title}: mapped twice, two results")
        differing = [
            name for name in Listing.__struct_fields__ if getattr(first, name) != getattr(sample.listing, name)
        ]
        require(not differing, f"{sample.title}: differs in {', '.join(differing)}")
        require(first.variants, f"{sample.title}: a listing has at least one variant")


def samples_become_their_orders(subject: Subject) -> None:
    """The same for orders, of connectors that read them."""
    connector = subject.connector
    if not isinstance(connector, ReadsOrders):
        return
    found = read.of(read.OrderSample, subject.samples)
    require(found, "samples/ holds no record of kind `order`")
    for sample in found:
        with wall():
            first = connector.map_order(sample.record(), sample.account.account())
            second = connector.map_order(sample.record(), sample.account.account())
        require(first == second, f"{sample.title}: mapped twice, two results")
        differing = [name for name in Order.__struct_fields__ if getattr(first, name) != getattr(sample.order, name)]
        require(not differing, f"{sample.title}: differs in {', '.join(differing)}")


def hostile_records_are_refused_in_words(subject: Subject) -> None:
    """Whatever a record holds, it becomes a storable listing or Unmappable with a sentence; nothing else is raised."""
    for sample in read.of(read.ListingSample, subject.samples):
        account = sample.account.account()
        for content in (*_NOT_RECORDS, *_mutations(bytes(sample.payload))):
            _mapped_or_refused(subject.connector.map_listing, RawRecord(sample.record_id, content), account)


def hostile_orders_are_refused_in_words(subject: Subject) -> None:
    """The same for orders."""
    if isinstance(subject.connector, ReadsOrders):
        for sample in read.of(read.OrderSample, subject.samples):
            account = sample.account.account()
            for content in (*_NOT_RECORDS, *_mutations(bytes(sample.payload))):
                _mapped_or_refused(subject.connector.map_order, RawRecord(sample.record_id, content), account)


def _mutations(payload: bytes) -> Iterator[bytes]:
    yield payload[: len(payload) // 2]
    yield payload.replace(b'"', b'"\xff', 4)
    tree = msgspec.json.decode(payload)
    slots = list(_slots(tree))
    for number, (holder, key) in enumerate(slots):
        before = holder[key]
        # Every place meets some of the values, and all places together meet all of them.
        for value in (_HOSTILE[(number + step * 7) % len(_HOSTILE)] for step in range(6)):
            holder[key] = msgspec.Raw(value)
            yield msgspec.json.encode(tree)
        holder[key] = before
        if isinstance(holder, dict):
            del holder[key]
            yield msgspec.json.encode(tree)
            holder[key] = before


def _slots(tree: Loose, depth: int = 0) -> Iterator[tuple[Loose, Loose]]:
    """Every place of a document: the object or list that holds it, and its name or number there."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        if depth < _DEPTH:
            yield from _slots(value, depth + 1)


def _mapped_or_refused(
    mapping: Callable[[RawRecord, Account], Listing | Order], record: RawRecord, account: Account
) -> None:
    try:
        with wall(Unmappable):
            text = msgspec.json.encode(mapping(record, account))
        require(b"\\u0000" not in text, "a record with a NUL character")
    except Unmappable as refused:
        sentence = refused.reason
        require(sentence[:1].isupper() and sentence.endswith(".") and len(sentence) < 400, f"no sentence: {sentence!r}")
    except Broken as error:
        raise Broken(f"{error} for {record.payload[:200]!r}") from error


def answers_are_judged_as_documented(subject: Subject) -> None:
    """Each documented failure has its kind, code and waiting time; success is None."""
    found = read.of(read.Failures, subject.samples)
    require(found, "samples/ holds no table of kind `failures`")
    for case in found[0].cases:
        with wall():
            verdict = subject.connector.classify(_response(case.content(), case.status, case.headers, case.query))
        said = verdict.kind if verdict else None
        require(said == case.failure, f"{case.title}: {said}, not {case.failure}")
        if verdict is not None and case.code is not None:
            require(verdict.code == case.code, f"{case.title}: code {verdict.code}, not {case.code}")
        if verdict is not None and case.retry_after is not None:
            require(verdict.retry_after == case.retry_after, f"{case.title}: waits {verdict.retry_after}")


def no_answer_upsets_the_judge(subject: Subject) -> None:
    """Any bytes with any status get a verdict; a page that is no JSON is never a success."""
    for content in _ANSWERS:
        for status in (200, 302, 400, 401, 403, 404, 429, 500, 503):
            with wall():
                verdict = subject.connector.classify(_response(content, status))
            require(verdict is None or isinstance(verdict, Failure), "not a verdict")
            good = content[:1] in b"{[" and content[-1:] in b"}]" and content and status < 300
            require(verdict is not None or good, f"HTTP {status} {content[:80]!r} counts as success")


def _response(
    content: bytes, status: int, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
) -> Response:
    url = parse("https://far.example/path" + (f"?{encode(query)}" if query else ""))
    return Response(status, dict(headers or {}), content, Request("GET", url, CIMultiDict()))


def requests_leave_as_documented(subject: Subject) -> None:
    """Signature vectors: a request leaves with exactly these parameters and headers, and the original is untouched."""
    for vectors in read.of(read.Requests, subject.samples):
        app = App({name: Secret(value) for name, value in vectors.app.items()}, subject.found.manifest.hosts)
        tokens = Tokens(Secret(vectors.access))
        for case in vectors.cases:
            request = _request(case)
            before = (str(request.url), dict(request.headers), request.body)
            with wall():
                sent = subject.connector.attach(
                    app, vectors.account.account(), request, tokens, case.now or vectors.now
                )
            require(
                before == (str(request.url), dict(request.headers), request.body), f"{case.title}: changed in place"
            )
            require(dict(sent.query()) == case.query, f"{case.title}: leaves with {sorted(dict(sent.query()))}")
            for name, value in case.headers.items():
                require(sent.headers.get(name) == value, f"{case.title}: header {name}")


def _request(case: read.RequestCase) -> Request:
    body, headers = b"", CIMultiDict[str]()
    if case.form is not None:
        body, headers["Content-Type"] = encode(case.form).encode(), "application/x-www-form-urlencoded"
    elif case.content is not None:
        body, headers["Content-Type"] = case.content.encode(), "application/json"
    return Request(case.method, parse(case.url), headers, body or None)


def app_secrets_never_travel(subject: Subject) -> None:
    """Neither the consent link nor a signed call shows the app's secret (only the token endpoint may be told it)."""
    app = subject.app()
    host = next(iter(subject.found.manifest.hosts.values()))
    shown = [_link(subject, app)] if subject.found.manifest.auth == "oauth2" else []
    for vectors in read.of(read.Requests, subject.samples):
        request = Request("GET", parse(vectors.cases[0].url if vectors.cases else f"{host}/x"), CIMultiDict())
        sent = subject.connector.attach(app, vectors.account.account(), request, Tokens(Secret("t")), _NOW)
        shown.append(f"{sent.url} {dict(sent.headers)}")
    require(not any(_MARK in unquote_plus(one) for one in shown), "an app secret is sent in clear")


def _link(subject: Subject, app: App) -> str:
    oauth = subject.found.manifest.oauth
    back = _REDIRECT if oauth is None or oauth.returns_state else f"{_REDIRECT}?state={_STATE}"
    with wall():
        return subject.connector.consent_url(
            app, Consent(back, _STATE, "challenge" if oauth and oauth.pkce else None), _NOW
        )


def the_consent_link_is_bound(subject: Subject) -> None:
    """It leads to a host of the manifest, carries our state once and our redirect address whole."""
    if subject.found.manifest.auth != "oauth2":
        return
    parts = urlsplit(_link(subject, subject.app()))
    known = {urlsplit(host)[:2] for host in subject.found.manifest.hosts.values()}
    require((parts.scheme, parts.netloc) in known, "the link leads elsewhere")
    query = parse_qsl(parts.query)
    require(len({name for name, _ in query}) == len(query), "a parameter is doubled")
    back = [value for _, value in query if value.startswith(_REDIRECT)]
    require(len(back) == 1, "the redirect address is in the link once")
    states = [value for _, value in [*query, *parse_qsl(urlsplit(back[0]).query)] if value == _STATE]
    require(len(states) == 1, "our state is in the link once")
    if subject.found.manifest.oauth and subject.found.manifest.oauth.pkce:
        require(dict(query).get("code_challenge_method") == "S256", "PKCE is S256")


def callbacks_are_read_as_documented(subject: Subject) -> None:
    """A code, a refusal, or ValueError; never anything else."""
    cases = [case for one in read.of(read.Callbacks, subject.samples) for case in one.cases]
    strange = [{}, {"state": ""}, {"code": ""}, {"code": "x" * 20_000}, {"error": "<img onerror=x>"}, {"error": "\x00"}]
    for query, expected, title in [
        *((c.query, c.outcome, c.title) for c in cases),
        *((q, None, str(q)) for q in strange),
    ]:
        try:
            with wall(ConsentDenied, ValueError):
                found = subject.connector.read_callback(query, _REDIRECT)
            require(found.redirect_uri == _REDIRECT and found.code, f"{title}: code and redirect address are kept")
            outcome = "code"
        except ConsentDenied as denied:
            require(denied.reason.isprintable() and len(denied.reason) < 200, f"{title}: the reason is short text")
            outcome = "denied"
        except ValueError:
            outcome = "unreadable"
        require(expected is None or outcome == expected, f"{title}: read as {outcome}, not {expected}")


CHECKS: tuple[Check, ...] = (
    facts_are_complete,
    the_icon_is_inert,
    imports_stay_inside_the_contract,
    unknown_facts_are_refused,
    samples_become_their_listings,
    samples_become_their_orders,
    hostile_records_are_refused_in_words,
    hostile_orders_are_refused_in_words,
    answers_are_judged_as_documented,
    no_answer_upsets_the_judge,
    requests_leave_as_documented,
    app_secrets_never_travel,
    the_consent_link_is_bound,
    callbacks_are_read_as_documented,
)


def check_folder(found: Found) -> list[Finding]:
    """Run every check that needs the folder alone."""
    if found.connector is None:
        return []
    try:
        subject = Subject(found, found.connector, read.read(found.folder))
    except Broken as error:
        return [Finding("samples_can_be_read", "samples", False, str(error))]
    return [_run(check, subject) for check in CHECKS]


def _run(check: Check, subject: Subject) -> Finding:
    name = check.__name__
    try:
        check(subject)
    except Broken as error:
        return Finding(name, "samples", False, str(error))
    return Finding(name, "samples", True)
