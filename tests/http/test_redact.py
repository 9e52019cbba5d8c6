"""What counts as a secret by its name or shape, and what does not (security.md LO-04)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.http import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer ***"),
        ("GET /hooks/whk_12abcdef?x=1", "GET /hooks/whk_12..***?x=1"),
        ("key isk_live_abcdefghijkl here", "key isk_live_*** here"),
        ("https://u:p4ss@host/x", "https://***@host/x"),
        ("?sign=abc&page=1&refresh_token=def", "?sign=***&page=1&refresh_token=***"),
        ('{"app_secret": "abc", "n": 1}', '{"app_secret": "***", "n": 1}'),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "***"),
        ("hash QWxhZGRpbjpvcGVuIHNlc2FtZTEyMzQ1Njc4OTAxMjM0NTY3ODkw==", "hash ***"),
        ("con_01k7ysgz9rh5a2sq8pbe7f6v9w is connected", "con_01k7ysgz9rh5a2sq8pbe7f6v9w is connected"),
        (
            "an ordinary sentence: 3 of 5 listings, status_code=200",
            "an ordinary sentence: 3 of 5 listings, status_code=200",
        ),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert redact.text(text) == shown


@pytest.mark.parametrize("name", ["password", "refreshToken", "app_secret", "X-API-Key", "Set-Cookie", "sign", "code"])
def test_names_of_secrets(name: str) -> None:
    assert redact.is_secret_name(name)


@pytest.mark.parametrize("name", ["status_code", "currency_code", "title", "page", "signed_at", "shop_id", "sku"])
def test_names_of_other_things(name: str) -> None:
    assert not redact.is_secret_name(name)


def test_structures_are_hidden_by_name_cut_by_depth_and_made_plain() -> None:
    nested: object = "bottom"
    for _ in range(10):
        nested = [nested]
    assert redact.anything({"token": "x", "token_count": None, "deep": nested, "other": object})
    assert redact.anything({"Secret": "x", "list": ({"cookie": "y"}, 1.5)}) == {
        "Secret": "***",
        "list": [{"cookie": "***"}, 1.5],
    }
    assert "bottom" not in str(redact.anything(nested))


@given(st.text(max_size=500))
def test_any_text_is_handled_and_repeating_changes_nothing(text: str) -> None:
    once = redact.text(text)
    assert redact.text(once) == once
