"""Callbacks and token replies are believed little."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.client import Response
from isthmus.client.errors import MalformedBody
from isthmus.connect import granting
from isthmus.connect.spi import ConsentDenied

NOW = datetime(2026, 11, 5, tzinfo=UTC)


def reply(**fields: object) -> Response:
    return Response(200, {}, msgspec.json.encode({"access_token": "a", "refresh_token": "r", **fields}))


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        (3600, timedelta(hours=1)),
        ("3600", timedelta(hours=1)),
        (0, timedelta(0)),
        (-5, timedelta(0)),
        (1e12, timedelta(days=3650)),
        ("1e12", None),
        (None, None),
        ("soon", None),
        (True, None),
        ([], None),
    ],
)
def test_OA_13_a_life_of_any_form_ends_in_a_time_or_in_none(lives: object, expected: timedelta | None) -> None:
    found = granting.tokens(reply(expires_in=lives), NOW).expires_at
    assert found == (None if expected is None else NOW + expected)


@given(
    st.dictionaries(
        st.sampled_from(["access_token", "refresh_token", "expires_in", "scope"]), st.integers() | st.text()
    )
)
def test_OA_13_any_reply_gives_tokens_or_a_named_failure(fields: dict[str, object]) -> None:
    try:
        tokens = granting.tokens(Response(200, {}, msgspec.json.encode(fields)), NOW)
    except MalformedBody:
        return
    assert tokens.access_token


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"<html>", b"{}", b'{"access_token":""}', b'{"access_token":"%s"}' % (b"x" * 9000)]
)
def test_a_reply_without_a_token_is_named(content: bytes) -> None:
    with pytest.raises(MalformedBody):
        granting.tokens(Response(200, {}, content), NOW)


def test_a_callback_keeps_code_redirect_and_what_was_asked_for() -> None:
    found = granting.callback({"code": "c", "shop": "1", "other": "2"}, "https://us/cb", "shop")
    assert (found.code.reveal(), found.redirect_uri, found.extra) == ("c", "https://us/cb", {"shop": "1"})


def test_OA_10_an_error_is_data() -> None:
    with pytest.raises(ConsentDenied) as denied:
        granting.callback({"error": "<img src=x onerror=alert(1)>" * 20}, "https://us/cb")
    assert len(denied.value.reason) <= 80


@pytest.mark.parametrize("query", [{}, {"code": ""}, {"code": "x" * 10_000}])
def test_a_callback_without_a_code_is_unreadable(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no code"):
        granting.callback(query, "https://us/cb")
