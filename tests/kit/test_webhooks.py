"""Standard Webhooks signatures: published vectors, and a reason for every refusal."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.kit import webhooks
from isthmus.kit.secret import Secret
from isthmus.kit.webhooks import WebhookRefused

# The public example of the specification and of the libraries of its authors.
KEY = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime.fromtimestamp(AT, UTC)


def _reason(headers: dict[str, str], body: bytes = BODY, keys: tuple[Secret, ...] = (KEY,), at: int = 0) -> str:
    with pytest.raises(WebhookRefused) as refused:
        webhooks.verify(headers, body, keys, NOW + timedelta(seconds=at))
    return refused.value.reason


def test_WH_09_the_published_example_is_signed_and_verified() -> None:
    assert webhooks.sign(KEY, ID, AT, BODY) == SIGNED
    headers = webhooks.headers([KEY], ID, AT, BODY)
    assert webhooks.verify({name.upper(): value for name, value in headers.items()}, BODY, [KEY], NOW) == ID


def test_WH_09_each_changed_part_is_refused_with_its_reason() -> None:
    good = webhooks.headers([KEY], ID, AT, BODY)
    assert _reason(good, BODY + b" ") == "wrong_signature"
    assert _reason({**good, webhooks.ID: ID + "x"}) == "wrong_signature"
    assert _reason({**good, webhooks.TIMESTAMP: str(AT + 1)}) == "wrong_signature"
    assert _reason({**good, webhooks.SIGNATURE: SIGNED.lower()}) == "wrong_signature"
    assert _reason({**good, webhooks.SIGNATURE: "v1,"}) == "wrong_signature"
    assert _reason({**good, webhooks.SIGNATURE: "v1,not base64"}) == "wrong_signature"
    assert _reason({**good, webhooks.SIGNATURE: "v2,abc"}) == "unknown_scheme"
    assert _reason({**good, webhooks.SIGNATURE: " ".join([SIGNED] * 11)}) == "too_many_signatures"
    assert _reason({**good, webhooks.SIGNATURE: ""}) == "missing_header"
    assert _reason(good, keys=()) == "no_key"
    assert _reason(good, keys=(webhooks.new_secret(),)) == "wrong_signature"


@pytest.mark.parametrize("text", ["1614265330.0", "NaN", "1e9", "-1", " 1", "", "١٢٣"])
def test_WH_03_a_time_is_a_whole_number(text: str) -> None:
    good = webhooks.headers([KEY], ID, AT, BODY)
    assert _reason({**good, webhooks.TIMESTAMP: text}) in {"bad_timestamp", "missing_header"}


def test_WH_02_the_signed_time_may_be_off_by_five_minutes_either_way() -> None:
    good = webhooks.headers([KEY], ID, AT, BODY)
    for fine in (299, -299, 300, -300):
        assert webhooks.verify(good, BODY, [KEY], NOW + timedelta(seconds=fine)) == ID
    assert _reason(good, at=301) == "too_old"
    assert _reason(good, at=-301) == "too_new"


def test_WH_09_during_a_rotation_either_secret_verifies() -> None:
    new = webhooks.new_secret()
    good = webhooks.headers([new, KEY], ID, AT, BODY)
    assert webhooks.verify(good, BODY, [KEY], NOW) == ID
    assert webhooks.verify(good, BODY, [new], NOW) == ID


def test_WH_09_an_asymmetric_signature_verifies_with_the_public_key_alone() -> None:
    private, public = webhooks.new_key_pair()
    good = webhooks.headers([private], ID, AT, BODY)
    assert good[webhooks.SIGNATURE].startswith("v1a,")
    assert webhooks.verify(good, BODY, [Secret(public)], NOW) == ID
    assert _reason(good, BODY + b"x", (Secret(public),)) == "wrong_signature"
    assert _reason(good, BODY, (KEY,)) == "wrong_signature"


@pytest.mark.parametrize("text", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%", "whsec_YQ==", "whsec_" + "A" * 200])
def test_WH_01_a_key_of_no_form_never_signs(text: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|secret"):
        webhooks.sign(Secret(text), ID, AT, BODY)


@given(st.binary(max_size=200), st.text(max_size=30), st.text(max_size=200))
def test_nothing_a_stranger_sends_raises_anything_else(body: bytes, message_id: str, signature: str) -> None:
    headers = {webhooks.ID: message_id, webhooks.TIMESTAMP: str(AT), webhooks.SIGNATURE: signature}
    with pytest.raises(WebhookRefused):
        webhooks.verify(headers, body, [KEY], NOW)


def test_a_new_secret_has_32_random_bytes_and_does_not_show() -> None:
    one, other = webhooks.new_secret(), webhooks.new_secret()
    assert one != other
    assert len(base64.b64decode(one.reveal().removeprefix("whsec_"))) == 32
    assert "whsec" not in repr(one)
