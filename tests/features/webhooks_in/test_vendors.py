"""Verification agrees with the vendors' own libraries: what theirs signs or takes ours takes, what was changed neither.

150 random bodies for each, every one also mutated.
"""

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import Adyen
import pytest
import standardwebhooks
import stripe
import svix
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import SigningKey, VerifyKey
from sendgrid.helpers.eventwebhook import EventWebhook
from slack_sdk.signature import SignatureVerifier
from square.utils.webhooks_helper import verify_signature
from twilio.request_validator import RequestValidator

from isthmus.connect import registry
from isthmus.features.webhooks_in.model import signing
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.model.verifying import LiveSecret, verify
from isthmus.kit.secret import Secret

CASES = 150
URL = "https://hooks.example.com/hooks/token"
PROVIDERS = registry.discover()
_LETTERS = 'abcxyz 0189 {}[]",:äöüßđơưₓ漢字🙂\n\t%&=+'


@dataclass(frozen=True)
class Vendor:
    """How a vendor's library signs (body, id, Unix seconds; answers headers and body) and its own verdict of them."""

    provider: str
    secret: str
    sign: Callable[[str, str, int], tuple[dict[str, str], bytes]]
    takes: Callable[[Mapping[str, str], bytes], bool]


def _raises(call: Callable[..., Any], *given: Any) -> bool:
    """Whether a library that raises its refusals takes this."""
    try:
        call(*given)
    except Exception:  # noqa: BLE001 - each library has its own
        return False
    return True


def _standard(prefix: str, made: Any) -> Vendor:
    def sign(body: str, id_: str, at: int) -> tuple[dict[str, str], bytes]:
        mark = made.sign(f"msg_{id_}", datetime.fromtimestamp(at, UTC), body)
        return {
            f"{prefix}-id": f"msg_{id_}",
            f"{prefix}-timestamp": str(at),
            f"{prefix}-signature": mark,
        }, body.encode()

    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return Vendor("standard_webhooks", key, sign, lambda headers, body: _raises(made.verify, body, dict(headers)))


def _stripe() -> Vendor:
    key = "whsec_of_stripe"

    def sign(body: str, _: str, at: int) -> tuple[dict[str, str], bytes]:
        mark = hmac.digest(key.encode(), f"{at}.{body}".encode(), "sha256").hex()
        return {"stripe-signature": f"t={at},v1={mark}"}, body.encode()

    def takes(headers: Mapping[str, str], body: bytes) -> bool:
        return _raises(stripe.WebhookSignature.verify_header, body.decode(), headers["stripe-signature"], key, 300)

    return Vendor("stripe", key, sign, takes)


def _slack() -> Vendor:
    made = SignatureVerifier("slack's secret")

    def sign(body: str, _: str, at: int) -> tuple[dict[str, str], bytes]:
        mark = made.generate_signature(timestamp=str(at), body=body)
        return {"x-slack-request-timestamp": str(at), "x-slack-signature": str(mark)}, body.encode()

    return Vendor("slack", "slack's secret", sign, lambda headers, body: made.is_valid_request(body, dict(headers)))


def _twilio() -> Vendor:
    made = RequestValidator("twilio's token")

    def sign(body: str, id_: str, _: int) -> tuple[dict[str, str], bytes]:
        form = {"From": id_, "Body": body}
        mark = made.compute_signature(URL, form)
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return {**kind, "x-twilio-signature": mark}, urlencode(form).encode()

    def takes(headers: Mapping[str, str], body: bytes) -> bool:
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return bool(made.validate(URL, form, headers["x-twilio-signature"]))

    return Vendor("twilio", "twilio's token", sign, takes)


def _sendgrid() -> Vendor:
    private = ec.generate_private_key(ec.SECP256R1())
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = base64.b64encode(der).decode()
    made = EventWebhook(key)

    def sign(body: str, _: str, at: int) -> tuple[dict[str, str], bytes]:
        mark = private.sign(f"{at}{body}".encode(), ec.ECDSA(hashes.SHA256()))
        names = ("x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp")
        return dict(zip(names, (base64.b64encode(mark).decode(), str(at)), strict=True)), body.encode()

    def takes(headers: Mapping[str, str], body: bytes) -> bool:
        mark, stamp = (headers[f"x-twilio-email-event-webhook-{name}"] for name in ("signature", "timestamp"))
        try:
            return bool(made.verify_signature(body.decode(), mark, stamp))
        except Exception:  # noqa: BLE001 - a mark of no form at all
            return False

    return Vendor("sendgrid", key, sign, takes)


def _square() -> Vendor:
    key = "square's key"

    def sign(body: str, _: str, __: int) -> tuple[dict[str, str], bytes]:
        mark = base64.b64encode(hmac.digest(key.encode(), (URL + body).encode(), "sha256")).decode()
        return {"x-square-hmacsha256-signature": mark}, body.encode()

    def takes(headers: Mapping[str, str], body: bytes) -> bool:
        mark = headers["x-square-hmacsha256-signature"]
        return bool(
            verify_signature(request_body=body.decode(), signature_header=mark, signature_key=key, notification_url=URL)
        )

    return Vendor("square", key, sign, takes)


def _adyen() -> Vendor:
    key = hashlib.sha256(b"adyen").hexdigest()

    def item(body: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(body)["notificationItems"][0]["NotificationRequestItem"]
        return found

    def sign(body: str, id_: str, _: int) -> tuple[dict[str, str], bytes]:
        text = body.replace("\n", " ").strip() or "x"
        one: dict[str, Any] = {
            "pspReference": id_, "originalReference": "", "merchantAccountCode": "Merchant",
            "merchantReference": text, "amount": {"value": 1000, "currency": "EUR"}, "eventCode": "AUTHORISATION",
            "success": "true",
        }  # fmt: skip
        one["additionalData"] = {"hmacSignature": Adyen.util.generate_notification_sig(one, key).decode()}
        shape = {"live": "false", "notificationItems": [{"NotificationRequestItem": one}]}
        return {"content-type": "application/json"}, json.dumps(shape).encode()

    def takes(_: Mapping[str, str], body: bytes) -> bool:
        try:
            return bool(Adyen.util.is_valid_hmac_notification(item(body), key))
        except Exception:  # noqa: BLE001 - a body of no form at all
            return False

    return Vendor("adyen", key, sign, takes)


def _discord() -> Vendor:
    private = SigningKey(hashlib.sha256(b"discord").digest())
    public = private.verify_key.encode().hex()

    def sign(body: str, _: str, at: int) -> tuple[dict[str, str], bytes]:
        mark = private.sign(f"{at}{body}".encode()).signature.hex()
        return {"x-signature-ed25519": mark, "x-signature-timestamp": str(at)}, body.encode()

    def takes(headers: Mapping[str, str], body: bytes) -> bool:
        try:
            mark = bytes.fromhex(headers["x-signature-ed25519"])
        except ValueError:
            return False
        return _raises(VerifyKey(bytes.fromhex(public)).verify, headers["x-signature-timestamp"].encode() + body, mark)

    return Vendor("discord", public, sign, takes)


_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VENDORS: Mapping[str, Vendor] = {
    "standard-webhooks": _standard("webhook", standardwebhooks.Webhook(_KEY)),
    "svix": _standard("svix", svix.Webhook(_KEY)),
    "stripe": _stripe(),
    "slack": _slack(),
    "twilio": _twilio(),
    "sendgrid": _sendgrid(),
    "square": _square(),
    "adyen": _adyen(),
    "discord": _discord(),
}


def ours(vendor: Vendor, headers: Mapping[str, str], body: bytes, at: int) -> bool:
    webhooks = PROVIDERS[vendor.provider].manifest.webhooks
    assert webhooks is not None
    inbound = Inbound(Request("POST", URL, (), dict(headers), body))
    return verify(inbound, webhooks, [LiveSecret(Secret(vendor.secret))], datetime.fromtimestamp(at, UTC)).accepted


def bodies(seed: str) -> Iterator[tuple[str, str]]:
    dice = random.Random(seed)
    for number in range(CASES):
        text = "".join(dice.choices(_LETTERS, k=dice.randint(1, 200)))
        yield json.dumps({"text": text, "n": number}, ensure_ascii=bool(number % 2)), f"{dice.getrandbits(60):x}"


def mutated(dice: random.Random, body: bytes) -> bytes:
    """The body with one letter changed, so that it stays text."""
    place = dice.choice([at for at, byte in enumerate(body) if byte < 128 and chr(byte).isalnum()])
    letter = dice.choice([one for one in b"abc123" if one != body[place]])
    return body[:place] + bytes([letter]) + body[place + 1 :]


@pytest.mark.parametrize("name", VENDORS)
def test_what_the_vendors_library_signs_or_takes_is_taken_and_what_was_changed_is_refused(name: str) -> None:
    vendor, dice = VENDORS[name], random.Random(name)
    agreed, at = 0, int(time.time())  # of this test: the libraries look at the real clock
    for text, id_ in bodies(name):
        headers, body = vendor.sign(text, id_, at)
        assert vendor.takes(headers, body), (headers, body)
        assert ours(vendor, headers, body, at), (headers, body)
        changed = mutated(dice, body)
        theirs = vendor.takes(headers, changed)
        assert ours(vendor, headers, changed, at) == theirs, (headers, changed)
        agreed += not theirs
    # a letter outside what is signed, or the case of an escape in a form, changes nothing for either
    assert agreed >= {"adyen": CASES // 4, "twilio": CASES * 9 // 10}.get(name, CASES)


@pytest.mark.parametrize("name", ["standard-webhooks", "stripe", "slack", "square", "twilio"])
def test_what_we_sign_for_the_simulator_the_vendors_library_takes(name: str) -> None:
    vendor = VENDORS[name]
    webhooks = PROVIDERS[vendor.provider].manifest.webhooks
    assert webhooks is not None
    at = int(time.time())
    for text, id_ in list(bodies(name))[:30]:
        headers, body = vendor.sign(text, id_, at)
        kind = {"content-type": headers.get("content-type", "application/json")}
        unsigned = signing.request("POST", URL, kind, body)
        made = signing.sign(
            unsigned, webhooks, Secret(vendor.secret), datetime.fromtimestamp(at, UTC), app={}, message_id=f"msg_{id_}"
        )
        assert vendor.takes(made.headers, body)
