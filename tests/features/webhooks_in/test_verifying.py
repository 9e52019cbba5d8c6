"""Every provider's signatures, from its manifest: published vectors, changes refused, each refusal with its reason."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_other
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from isthmus.connect import registry
from isthmus.connect.webhooks import Signature, Webhooks
from isthmus.features.webhooks_in.model import signing, verifying
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.model.verifying import LiveSecret, Verdict, verify
from isthmus.kit.secret import Secret

URL = "https://hooks.example.com/hooks/t1"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FOUND = {name: one.manifest.webhooks for name, one in registry.discover().items() if one.manifest.webhooks}
APP = {"app_key": "123456"}
SYMMETRIC = {
    name for name, scheme in FOUND.items() if any(one.kind in {"hmac", "hash", "token"} for one in scheme.signatures)
}
KEYS = {
    "base64": base64.b64encode(b"k" * 32).decode(),
    "hex": "ab" * 32,
    "text": "s3cret-key-of-tests",
    "wordpress": "a&amp;b",
}


@dataclass
class Vector:
    """A published delivery."""

    provider: str
    secret: str
    headers: Mapping[str, str]
    body: bytes
    url: str = URL
    at: datetime = NOW
    app: Mapping[str, str] = field(default_factory=dict)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_LPM = (
    b'{"seller_id":"1234567","message_type":0,"data":{"order_status":"unpaid","trade_order_id":"260422900198363",'
    b'"trade_order_line_id":"260422900298363","status_update_time":1603698638},"timestamp":1603766859530,"site":"lazada_vn"}'
)
_PUSH = (
    b'{"data":{"items":[],"ordersn":"220810QSK8S7BX","status":"PROCESSED","completed_scenario":"",'
    b'"update_time":1660123127},"shop_id":727720655,"code":3,"timestamp":1660123127}'
)
_TTS = (
    b'{"type":1,"shop_id":"7494726673780148744","timestamp":1664095733,"data":{"order_id":"576684019603311365",'
    b'"order_status":"AWAITING_SHIPMENT","update_time":1664095610}}'
)
_CALL = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
VECTORS = {
    "standard webhooks 1.0.0": Vector(
        "standard_webhooks",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        at=at(1614265330),
    ),
    "github documentation": Vector(
        "github",
        "It's a Secret to Everybody",
        {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        b"Hello, World!",
    ),
    "shopify validate.test": Vector(
        "shopify",
        "test_secret_key",
        {"X-Shopify-Hmac-Sha256": "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="},
        b'{"foo": "bar"}',
    ),
    "H2": Vector(
        "shopify",
        "hush",
        {"X-Shopify-Hmac-Sha256": "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I="},
        b'{"id":820982911946154508}',
    ),
    "W1": Vector(
        "woocommerce",
        "wc_secret",
        {"X-WC-Webhook-Signature": "M5zIirWLSRhgI1MdKCotxfEOmgXByIXcTgNBWyq4Prs="},
        b'{"id":727,"status":"processing"}',
    ),
    "S5": Vector(
        "shopee",
        "shpk_test_partner_key_0001",
        {"Authorization": "1776101f8fee55f07550c6a544b0d38fac5ceeffff5814851041f560bdc23281"},
        _PUSH,
        url="https://hooks.example.com/shopee/t1",
    ),
    "L4": Vector(
        "lazada",
        "helloworld",
        {"Authorization": "b0cfd0349e915667babf3c35e2335fb09653527421c46a94bd9e70e874c16322"},
        _LPM,
        app={"app_key": "123456"},
    ),
    "T4": Vector(
        "tiktok_shop",
        "fake_app_secret",
        {"Authorization": "21109834de72ec53c9959716d8514ae388ce1f123e5ffdcafc46713fcdf62b27"},
        _TTS,
        app={"app_key": "fake_app_key"},
    ),
    "line bot sdk": Vector(
        "line_messaging",
        "channel_secret",
        {"x-line-signature": "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="},
        b"bodybodybodybody",
    ),
    "twilio test_request_validator": Vector(
        "twilio",
        "12345",
        {
            "X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
            "content-type": "application/x-www-form-urlencoded",
        },
        _CALL,
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
    ),
}


def judge(vector: Vector, **changed: Any) -> Verdict:
    one = with_other(vector, **changed)
    scheme = FOUND[one.provider]
    request = signing.request("POST", one.url, one.headers, one.body)
    return verify(Inbound(request, one.app), scheme, [LiveSecret(Secret(one.secret))], one.at)


@pytest.mark.parametrize("name", VECTORS)
def test_a_published_delivery_is_believed(name: str) -> None:
    verdict = judge(VECTORS[name])
    assert (verdict.accepted, verdict.reason) == (True, "verified")


@pytest.mark.parametrize("name", VECTORS)
def test_WH_01_a_published_delivery_changed_anywhere_is_not(name: str) -> None:
    vector = VECTORS[name]
    assert judge(vector, body=vector.body + b" ").reason in {"wrong_signature", "missing_body_digest"}
    assert judge(vector, secret=KEYS["base64"]).reason == "wrong_signature"
    assert judge(vector, secret="").reason == "no_key"


def way(scheme: Webhooks) -> Signature:
    return next(one for one in scheme.signatures if one.kind in {"hmac", "hash", "token"})


def secret_of(scheme: Webhooks) -> Secret:
    one = way(scheme)
    return Secret(one.key_prefix + KEYS[one.key])


def signed(provider: str, body: bytes = b'{"a":1}', *, secret: Secret | None = None, when: datetime = NOW) -> Request:
    scheme = FOUND[provider]
    query = f"?bodySHA256={_sha(body)}" if way(scheme).body_digest else ""
    unsigned = signing.request("POST", URL + query, {"content-type": "application/json"}, body)
    return signing.sign(unsigned, scheme, secret or secret_of(scheme), when, app=APP, message_id="msg_1")


def _sha(body: bytes) -> str:
    made = hashes.Hash(hashes.SHA256())
    made.update(body)
    return made.finalize().hex()


def check(provider: str, request: Request, *secrets: LiveSecret, now: datetime = NOW) -> Verdict:
    scheme = FOUND[provider]
    held: Sequence[LiveSecret] = secrets or [LiveSecret(secret_of(scheme))]
    return verify(Inbound(request, APP), scheme, held, now)


@pytest.mark.parametrize("provider", sorted(SYMMETRIC))
def test_what_we_sign_as_a_provider_does_we_believe(provider: str) -> None:
    assert check(provider, signed(provider)).reason == "verified"


@pytest.mark.parametrize("provider", sorted(SYMMETRIC))
@settings(max_examples=15, deadline=None)
@given(body=st.binary(max_size=200), data=st.data())
def test_WH_01_any_body_is_believed_as_signed_and_not_otherwise(
    provider: str, body: bytes, data: st.DataObject
) -> None:
    request = signed(provider, body)
    assert check(provider, request).accepted
    if way(FOUND[provider]).kind == "token":
        return
    at_byte = data.draw(st.integers(0, len(body)))
    changed = body[:at_byte] + data.draw(st.binary(min_size=1, max_size=4)) + body[at_byte:]
    assert not check(provider, replace(request, body=changed)).accepted


@pytest.mark.parametrize("provider", sorted(FOUND))
@settings(max_examples=10, deadline=None)
@given(text=st.text(max_size=60), body=st.binary(max_size=60))
def test_WH_01_whatever_stands_in_the_headers_is_refused_with_a_reason(provider: str, text: str, body: bytes) -> None:
    headers = {one.where.partition(":")[2]: text for one in FOUND[provider].signatures}
    verdict = verify(
        Inbound(signing.request("POST", URL, headers, body), APP), FOUND[provider], [LiveSecret(Secret("k" * 40))], NOW
    )
    assert not verdict.accepted
    assert verdict.reason
    assert verdict.text


@pytest.mark.parametrize("provider", sorted(SYMMETRIC))
def test_WH_01_every_way_to_show_no_signature_is_refused(provider: str) -> None:
    request, scheme = signed(provider), FOUND[provider]
    names = {one.where.partition(":")[2] for one in scheme.signatures}
    bare = {name: value for name, value in request.headers.items() if name not in names}
    assert check(provider, replace(request, headers=bare)).reason == "missing_signature"
    offered = way(scheme)
    header = offered.where.partition(":")[2]
    if offered.kind == "token":
        return
    value = request.headers[header]
    for wrong in (value[:-4], value + "AAAA", value.swapcase(), "v1,", "," * 50, value[::-1]):
        verdict = check(provider, replace(request, headers={**request.headers, header: wrong}))
        assert not verdict.accepted, (wrong, verdict)


def test_WH_01_more_than_ten_signatures_are_not_looked_at() -> None:
    request = signed("standard_webhooks")
    good = request.headers["webhook-signature"]
    wrong = "v1," + base64.b64encode(b"x" * 32).decode()
    for before, reason in ((9, "verified"), (10, "too_many_signatures"), (1000, "too_many_signatures")):
        headers = {**request.headers, "webhook-signature": " ".join([wrong] * before + [good])}
        assert check("standard_webhooks", replace(request, headers=headers)).reason == reason


TIMED = sorted(name for name in SYMMETRIC if way(FOUND[name]).tolerance is not None)


@pytest.mark.parametrize("provider", TIMED)
@pytest.mark.parametrize(
    ("seconds", "reason"), [(0, "verified"), (299, "verified"), (301, "too_old"), (-299, "verified"), (-301, "too_new")]
)
def test_WH_02_a_signed_time_counts_for_five_minutes_either_way(provider: str, seconds: int, reason: str) -> None:
    assert check(provider, signed(provider), now=NOW + timedelta(seconds=seconds)).reason == reason


@pytest.mark.parametrize("text", ["1614265330.5", "NaN", "1e400", "-5", "", " 1", "1_0", "٣", "9" * 40])
def test_WH_03_a_time_is_a_whole_number(text: str) -> None:
    request = signed("standard_webhooks")
    verdict = check("standard_webhooks", replace(request, headers={**request.headers, "webhook-timestamp": text}))
    assert verdict.reason in {"bad_timestamp", "missing_timestamp"}


def test_several_secrets_live_side_by_side_until_each_expires() -> None:
    old, new = Secret("the-old-secret-of-it"), Secret("the-new-secret-of-it")
    held = [LiveSecret(new), LiveSecret(old, NOW + timedelta(hours=1))]
    request = signed("github", secret=old)
    assert check("github", request, *held).accepted
    assert check("github", request, *held, now=NOW + timedelta(hours=1)).reason == "wrong_signature"
    assert check("github", signed("github", secret=new), *held).accepted
    assert check("github", request, LiveSecret(old, NOW)).reason == "no_key"


def test_a_wordpress_secret_is_read_as_wordpress_reads_it() -> None:
    stored = signed("woocommerce", secret=Secret("a&b<\"'"))
    assert check("woocommerce", stored, LiveSecret(Secret("a&amp;b&lt;&quot;&#039;"))).accepted


def test_the_newer_way_of_signing_decides_where_both_are_there() -> None:
    request = signed("hubspot")
    old = {**request.headers, "x-hubspot-signature": "0" * 64}
    assert check("hubspot", replace(request, headers=old)).accepted
    broken = {**old, "x-hubspot-signature-v3": base64.b64encode(b"x" * 32).decode()}
    assert check("hubspot", replace(request, headers=broken)).reason == "wrong_signature"


def test_the_older_ways_hash_the_secret_itself() -> None:
    body, secret = b'[{"eventId":1}]', KEYS["text"]
    one = {"x-hubspot-signature": _sha(secret.encode() + body)}
    two = {
        "x-hubspot-signature": _sha(secret.encode() + b"POST" + URL.encode() + body),
        "x-hubspot-signature-version": "v2",
    }
    for headers in (one, two):
        assert check("hubspot", signing.request("POST", URL, headers, body)).accepted
        assert not check("hubspot", signing.request("POST", URL, headers, body + b" ")).accepted


def test_the_address_may_be_signed_with_its_port_or_without() -> None:
    scheme = FOUND["twilio"]
    form = {"content-type": "application/x-www-form-urlencoded"}
    for told, real in ((URL, URL.replace(".com/", ".com:443/")), (URL.replace(".com/", ".com:443/"), URL)):
        sent = signing.sign(
            signing.request("POST", told, form, b"A=1"), scheme, secret_of(scheme), NOW, app={}, message_id=""
        )
        assert check("twilio", replace(sent, url=real)).accepted


def test_an_item_of_several_is_refused_because_only_one_is_signed() -> None:
    item = {
        "pspReference": "7914073381342284",
        "merchantAccountCode": "TestMerchant",
        "merchantReference": "TestPayment-1407325143704",
        "amount": {"value": 1130, "currency": "EUR"},
        "eventCode": "AUTHORISATION",
        "success": "true",
    }
    key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
    mac = "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="
    item["additionalData"] = {"hmacSignature": mac}

    def judged(*items: Mapping[str, Any]) -> Verdict:
        body = _json({"live": "false", "notificationItems": [{"NotificationRequestItem": one} for one in items]})
        return check("adyen", signing.request("POST", URL, {}, body), LiveSecret(Secret(key)))

    assert judged(item).accepted
    assert judged({**item, "success": "false"}).reason == "wrong_signature"
    assert judged(item, item).reason == "not_one_item"


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def test_key_pairs_verify_with_what_is_public() -> None:
    pair = ed25519.Ed25519PrivateKey.generate()
    public = pair.public_key().public_bytes_raw()
    ts, body = str(int(NOW.timestamp())), b'{"type":1}'
    headers = {"x-signature-timestamp": ts, "x-signature-ed25519": pair.sign(ts.encode() + body).hex()}
    secret = LiveSecret(Secret(public.hex()))
    assert check("discord", signing.request("POST", URL, headers, body), secret).accepted
    assert check("discord", signing.request("POST", URL, headers, body + b" "), secret).reason == "wrong_signature"
    mark = base64.b64encode(pair.sign(f"msg_1.{ts}.".encode() + body)).decode()
    standard = {"webhook-id": "msg_1", "webhook-timestamp": ts, "webhook-signature": f"v1a,{mark}"}
    keys = [
        LiveSecret(Secret("whsec_" + KEYS["base64"])),
        LiveSecret(Secret("whpk_" + base64.b64encode(public).decode())),
    ]
    assert check("standard_webhooks", signing.request("POST", URL, standard, body), *keys).accepted
    assert check("standard_webhooks", signing.request("POST", URL, standard, body), keys[0]).reason == "no_fitting_key"


def test_a_mail_events_signature_covers_its_last_line_break() -> None:
    pair = ec.generate_private_key(ec.SECP256R1())
    public = pair.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    secret = LiveSecret(Secret(base64.b64encode(public).decode()))
    ts, body = str(int(NOW.timestamp())), b'[{"event":"processed"}]\r\n'
    mark = base64.b64encode(pair.sign(ts.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    name = "x-twilio-email-event-webhook-"
    headers = {f"{name}timestamp": ts, f"{name}signature": mark}
    assert check("sendgrid", signing.request("POST", URL, headers, body), secret).accepted
    assert not check("sendgrid", signing.request("POST", URL, headers, body.strip()), secret).accepted
    assert (
        check("sendgrid", signing.request("POST", URL, headers, body), LiveSecret(Secret("x"))).reason
        == "no_fitting_key"
    )


@pytest.mark.parametrize(
    ("provider", "secret", "told"),
    [
        ("standard_webhooks", "whsec_!!!", "no secret of the form"),
        ("adyen", "not hex", "no secret of the form"),
        ("discord", "ab" * 32, "private key of its own"),
    ],
)
def test_what_cannot_be_signed_says_whether_the_secret_or_the_platform_is_why(
    provider: str, secret: str, told: str
) -> None:
    unsigned = signing.request("POST", URL, {}, b"{}")
    with pytest.raises(ValueError, match=told):
        signing.sign(unsigned, FOUND[provider], Secret(secret), NOW, app={}, message_id="msg_1")


def test_no_verdict_shows_a_secret() -> None:
    for provider in SYMMETRIC:
        verdict = check(provider, signing.request("POST", URL, {}, b"x"))
        assert secret_of(FOUND[provider]).reveal() not in repr(verdict)


@given(text=st.text(max_size=80), data=st.data())
@settings(max_examples=60, deadline=None)
def test_one_value_is_found_as_several_would_be(text: str, data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(sorted({one.pattern for way in FOUND.values() for one in way.signatures})))
    text = data.draw(st.sampled_from(["", "sha256=", "v1=", "hmac ", "a" * 64])) + text
    inbound = Inbound(Request("POST", URL, (), {"x-sign": text}, b""))
    values = verifying._values(inbound, Signature(where="header:x-sign", pattern=pattern))
    matches = re.compile(pattern, re.ASCII).finditer(text)
    every = [found for match in matches for name, found in match.groupdict().items() if name == "value" and found]
    assert values == every[: verifying.MOST_SIGNATURES + 1]


def test_LO_01_what_a_secret_stands_for_shows_nowhere() -> None:
    held = LiveSecret(Secret("hush-hush-hush"))
    assert check("github", signed("github", secret=held.secret), held).accepted
    assert check("github", signed("github", secret=held.secret), held).accepted
    shown = repr(held) + "".join(map(repr, held._keys.values()))
    assert "hush" not in shown
