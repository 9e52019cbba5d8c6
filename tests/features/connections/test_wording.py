"""What browsers read: every language has every text with the same parts, and the one that is read best is taken."""

import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.connect.manifest import Field
from isthmus.features.connections import errors
from isthmus.features.connections.model import connecting, flow
from isthmus.features.connections.routes import wording as room
from isthmus.features.connections.routes.wording import asked_for, wording
from isthmus.kit.errors import Problem
from isthmus.kit.languages import LANGUAGES, preferred

TEXTS = tomllib.loads(Path(room.__file__).with_name("texts.toml").read_text("utf-8"))


def parts(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_every_text_with_the_same_parts() -> None:
    assert set(TEXTS) == set(LANGUAGES)
    first = wording(LANGUAGES[0]).texts
    for language in LANGUAGES[1:]:
        other = wording(language).texts
        assert {name for name in first if not name.startswith("labels.")} <= other.keys()
        for name, text in first.items():
            assert parts(other[name]) == parts(text), name
        assert all(text.strip() and text != first.get(name) for name, text in other.items())


def test_every_reason_and_every_outcome_has_words() -> None:
    texts = wording("en").texts
    reasons = {"unknown", "expired", "used", "revoked", "trying", "exhausted"}
    assert {f"reasons.{one}" for one in reasons | {one.value for one in connecting.Stage} - {"open", "started"}} <= (
        texts.keys()
    )
    assert texts["outcomes.other"]
    for outcome in flow.Outcome:
        assert wording("vi").of_table("outcomes", outcome.value, provider="Acme")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("vi", "vi"), ("VI-vn", "vi"), ("en-GB,en;q=0.9,vi;q=0.8", "en"), ("fr,vi;q=0.3,en;q=0.2", "vi"),
        ("en;q=0.1,vi;q=0.2", "vi"), ("vi;q=0", "en"), ("en;q=0,*", "vi"), ("*", "en"), ("de,fr", "en"),
        ("vi;q=2", "en"), (",;=q,vi", "vi"), ("vi,en", "vi"), ("en,vi", "en"), ("en;q=0, vi;q=0", "en"),
    ],
)  # fmt: skip
def test_the_language_that_is_asked_for_most_is_taken(header: str, language: str) -> None:
    assert preferred(header) == language


@given(st.text(max_size=600))
def test_any_header_names_a_language(header: str) -> None:
    assert preferred(header) in LANGUAGES


def test_a_chosen_language_comes_before_the_browsers() -> None:
    assert asked_for("en", "vi").language == "vi"
    assert asked_for("vi").language == "vi"


def test_failures_are_told_in_words_for_whoever_sits_there() -> None:
    refused = errors.CredentialsRefused(details={"platformMessage": "key <revoked>"})
    said, quoted = wording("vi").problem(refused, "Acme")
    assert said.startswith("Acme không chấp nhận")
    assert quoted == "key <revoked>", "the far side's own words help"
    assert wording("en").problem(errors.AlreadyConnected(details={"connectionId": "con_1"}), "Acme")[1] == ""
    passing = errors.PlatformUnreachable(details={"reason": "transient"})
    assert wording("en").problem(passing, "Acme")[0].endswith("Try again in a moment.")
    lasting = errors.PlatformUnreachable(details={"reason": "address_refused"})
    assert wording("en").problem(lasting, "Acme")[0].endswith("Tell whoever sent you here.")
    assert wording("vi").problem(lasting, "Acme")[0].startswith("Không thể liên hệ Acme")
    unknown, more = wording("vi").problem(Problem("Something new."), "Acme")
    assert (unknown.startswith("Không thực hiện được"), more) == (True, "Something new.")


def test_fields_have_names_in_the_language_and_what_has_none_is_marked_as_english() -> None:
    plain = Field(name="api_key", label="API key", help="Look <here>.")
    assert (wording("vi").label(plain), wording("en").label(plain)) == ("Khóa API", "API key")
    assert wording("vi").help(plain) == '<span lang="en">Look &lt;here&gt;.</span>'
    own = Field(name="site", label="Site", labels={"vi": "Địa chỉ"}, help="Part.", helps={"vi": "Một phần."})
    assert (wording("vi").label(own), wording("vi").help(own)) == ("Địa chỉ", "Một phần.")
    assert wording("vi").help(Field(name="x", label="X")) == ""
