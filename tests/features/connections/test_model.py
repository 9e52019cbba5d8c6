"""The rules of connections without I/O: states, places of shops, return addresses, flows."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.connections.model import connection as model
from isthmus.features.connections.model import flow, returns
from isthmus.features.connections.model.connection import Fact, Place, Placement, Status, WrongAccount
from isthmus.kit.errors import Conflict
from isthmus.kit.secret import Secret

START_B = Placement("b", Place.START, "con_s")
ALLOWED = frozenset({"https://app.example.com", "https://app.example.com:8443", "http://127.0.0.1:3000"})


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com/done?x=1&y=%20", "https://app.example.com"),
        ("HTTPS://APP.example.com/Done", "https://app.example.com"),
        ("https://app.example.com:443/", "https://app.example.com"),
        ("https://app.example.com:8443/", "https://app.example.com:8443"),
        ("http://127.0.0.1:3000/back", "http://127.0.0.1:3000"),
    ],
)
def test_OA_11_a_return_address_on_the_list_is_kept_as_it_is(url: str, origin: str) -> None:
    assert returns.origin_of(url) == origin
    assert returns.check(url, ALLOWED) == url


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "https:\\\\evil.example",
        "https://app.example.com@evil.example",
        "https://app.example.com:443@evil.example",
        "https://user:pass@app.example.com/",
        "https://app.example.com.evil.example",
        "https://app.example.com%2eevil.example",
        "https://app.example.com\\.evil.example",
        "https://app.example.com\t/",
        "https://app.exam\nple.com/",
        "https://app.example.com/\r\nSet-Cookie: a=b",
        " https://app.example.com/",
        "https://app.example.com/ ",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "ftp://app.example.com/",
        "https://\u0430pp.example.com/",
        "https://xn--pp-6kc.example.com/",
        "https://app.example.com\u3002evil.example/",
        "https://app.example.com./",
        "https://app.example.com:444/",
        "https://app.example.com:0443/",
        "https://app.example.com:99999/",
        "https://app.example.com:/",
        "https://App.Example.com.evil/",
        "http://app.example.com/",
        "http://127.0.0.1:3001/",
        "http://127.1:3000/",
        "http://localhost:3000/",
        "https://127.0.0.1/",
        "https://app.example.com/#fragment",
        "https://app.example.com/?status=connected",
        "https://app.example.com/?a=1&connectionId=con_1",
        "https://app.example.com/?%74icket=x",
        "https://app.example.com?x=1",
        "https://app.example.com/" + "a" * 10_000,
        "",
        "null",
    ],
)
def test_OA_11_every_other_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        returns.check(url, ALLOWED)


def test_OA_11_only_our_answer_is_added() -> None:
    url = "https://app.example.com/done?x=1"
    assert returns.answer(url, {"status": "connected", "connectionId": "con_1"}) == (
        "https://app.example.com/done?x=1&status=connected&connectionId=con_1"
    )
    assert returns.answer("https://app.example.com", {"status": "failed"}).endswith("com?status=failed")
    with pytest.raises(ValueError):
        returns.answer(url, {"code": "x"})


@given(st.text(max_size=60))
def test_OA_11_whatever_is_accepted_begins_with_its_origin(text: str) -> None:
    for url in (text, f"https://{text}", f"https://app.example.com{text}"):
        try:
            kept = returns.check(url, ALLOWED)
        except ValueError:
            continue
        rest = kept.lower().removeprefix("https://app.example.com").removeprefix(":443").removeprefix(":8443")
        assert rest == "" or rest.startswith("/") or kept.startswith("http://127.0.0.1:3000")


def test_a_state_says_nothing_about_its_link_and_is_long_enough() -> None:
    link = Secret("link")
    state = flow.state_of(link)
    assert len(state) * 6 >= 160
    assert "link" not in state
    assert flow.flow_key(state) != flow.flow_key(state + "x")
    assert state not in flow.cookie_name(state, secure=True)


def test_the_cookie_is_shielded_where_browsers_allow_it() -> None:
    assert flow.cookie_name("s", secure=True).startswith("__Host-isthmus_flow_")
    assert flow.cookie_name("s", secure=False).startswith("isthmus_flow_")


def test_OA_07_the_challenge_is_the_one_of_the_standard() -> None:
    verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert flow.challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("expected", "given_issuer", "agrees"),
    [
        ("https://as.example", "https://as.example", True),
        ("https://as.example", None, False),
        ("https://as.example", "https://evil.example", False),
        ("https://as.example", "", False),
        ("", None, True),
        ("", "https://surprise.example", True),
    ],
)
def test_OA_06_an_expected_issuer_must_be_named(expected: str, given_issuer: str | None, agrees: bool) -> None:
    assert flow.issuer_agrees(expected, given_issuer) is agrees


def test_OA_06_a_doubled_parameter_makes_a_callback_unreadable() -> None:
    assert flow.single([("state", "a"), ("iss", "x"), ("iss", "x")]) is None
    assert flow.single([("state", "a"), ("code", "b" * 9000)]) is None
    assert flow.single([("state", "a"), ("code", "b")]) == {"state": "a", "code": "b"}


@pytest.mark.parametrize(
    ("accounts", "start_account", "existing", "places"),
    [
        (["a"], None, {}, [Placement("a", Place.START, "con_s")]),
        (["a", "b"], None, {}, [Placement("a", Place.START, "con_s"), Placement("b", Place.CREATE, None)]),
        (
            ["a", "b"],
            None,
            {"a": "con_1"},
            [Placement("a", Place.RENEW, "con_1"), Placement("b", Place.START, "con_s")],
        ),
        (["a"], None, {"a": "con_1"}, [Placement("a", Place.RENEW, "con_1")]),
        (["b", "a"], "a", {"a": "con_s"}, [Placement("b", Place.CREATE, None), Placement("a", Place.START, "con_s")]),
        (["a", "a"], None, {}, [Placement("a", Place.START, "con_s")]),
    ],
)
def test_OA_14_each_shop_of_a_consent_has_one_place(
    accounts: list[str], start_account: str | None, existing: Mapping[str, str], places: list[Placement]
) -> None:
    assert model.place("con_s", start_account, accounts, existing) == places


def test_OA_14_a_reconnection_keeps_its_account_and_names_both() -> None:
    with pytest.raises(WrongAccount) as refused:
        model.place("con_s", "mine", ["theirs"], {})
    assert refused.value.expected == "mine"
    assert refused.value.given == ("theirs",)


def test_a_shop_is_called_after_itself_unless_a_person_named_it() -> None:
    assert model.shop_name("Main", "Shop 1", "Prov", "9", alone=True) == "Main"
    assert model.shop_name("Main", "Shop 1", "Prov", "9", alone=False) == "Shop 1"
    assert model.shop_name(None, " ", "Prov", "9", alone=True) == "Prov 9"


def test_a_status_moves_only_along_its_ways() -> None:
    assert model.move(Status.CONNECTED, Fact.REFUSED) is Status.EXPIRED
    assert model.move(Status.EXPIRED, Fact.GRANTED) is Status.CONNECTED
    with pytest.raises(Conflict):
        model.move(Status.PENDING, Fact.REFUSED)
    for status in Status:
        assert model.move(status, Fact.HOSTS_CHANGED) is Status.PENDING


def test_VA_01_another_host_is_another_binding() -> None:
    hosts = {"api": "https://a.example", "auth": "https://b.example"}
    assert model.hosts_digest(hosts) == model.hosts_digest(dict(reversed(hosts.items())))
    assert model.hosts_digest(hosts) != model.hosts_digest(hosts | {"auth": "https://c.example"})
