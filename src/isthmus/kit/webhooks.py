"""Signatures of Standard Webhooks 1.0.0: `v1` (HMAC-SHA256) and `v1a` (ed25519), over `id.timestamp.body`.

Pure: no clock and no I/O. Receivers verify on the bytes as they came in, before anything parses them; every refusal
states its reason. `v1` needs the standard library alone, `v1a` the package `cryptography`.
"""

import base64
import binascii
import hashlib
import hmac
import importlib
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from isthmus.kit.secret import Secret

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
#: Seconds that the sender's and the receiver's clocks may differ, either way.
TOLERANCE: Final = 300
SYMMETRIC, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
_SIGNATURES = 10
_KEY_BYTES = 32
_SHORTEST, _LONGEST = 24, 64
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


class WebhookRefused(ValueError):
    """A message that must not be believed; `reason` is a stable word, the text says what to look at."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


def new_secret() -> Secret:
    """A fresh symmetric secret: 32 random bytes as `whsec_...`."""
    return Secret(SYMMETRIC + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())


def new_key_pair() -> tuple[Secret, str]:
    """A fresh ed25519 pair: the private key as `whsk_...`, the public one as `whpk_...`."""
    seed = secrets.token_bytes(_KEY_BYTES)
    public = _public_of(seed)
    return Secret(PRIVATE + base64.b64encode(seed + public).decode()), PUBLIC + base64.b64encode(public).decode()


def sign(key: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,...` for a `whsec_` secret and `v1a,...` for a `whsk_` key. Raises ValueError for others."""
    return Signer([key]).sign(message_id, timestamp, body)


def headers(keys: Iterable[Secret], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message, with one signature for each key that is live."""
    signed = Signer(keys).sign(message_id, timestamp, body)
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: signed}


class Signer:
    """Signs many messages with the same keys: each is read once. Raises ValueError for a key of no form."""

    __slots__ = ("_macs", "_seeds")

    def __init__(self, keys: Iterable[Secret]) -> None:
        texts = [key.reveal() for key in keys]
        self._seeds = [_decoded(text, PRIVATE)[:_KEY_BYTES] for text in texts if text.startswith(PRIVATE)]
        self._macs = [
            hmac.new(_symmetric(text), digestmod=hashlib.sha256) for text in texts if not text.startswith(PRIVATE)
        ]

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """The value of the signature header: one signature for each key."""
        content = _content(message_id, str(timestamp), body)
        signed = []
        for keyed in self._macs:
            mac = keyed.copy()
            mac.update(content)
            signed.append("v1," + binascii.b2a_base64(mac.digest(), newline=False).decode())
        signed += ["v1a," + base64.b64encode(_ed25519_sign(seed, content)).decode() for seed in self._seeds]
        return " ".join(signed)


def verify(
    received: Mapping[str, str], body: bytes, keys: Iterable[Secret], now: datetime, *, tolerance: int = TOLERANCE
) -> str:
    """The message's id, once one signature fits one of the live keys (`whsec_...` or `whpk_...`).

    received: the headers, in any case. body: the raw bytes. Raises WebhookRefused; ValueError for a key of no form.
    """
    found = {name.lower(): value for name, value in received.items()}
    if not all(found.get(name) for name in (ID, TIMESTAMP, SIGNATURE)):
        raise WebhookRefused("missing_header", f"{ID}, {TIMESTAMP} and {SIGNATURE} must all be there")
    _check_time(found[TIMESTAMP], now, tolerance)
    offered = found[SIGNATURE].split(" ")
    if len(offered) > _SIGNATURES:
        raise WebhookRefused("too_many_signatures", f"at most {_SIGNATURES} signatures are looked at")
    held = list(keys)
    if not held:
        raise WebhookRefused("no_key", "no key is configured, so nothing can be believed")
    content = _content(found[ID], found[TIMESTAMP], body)
    if not any(one.startswith(("v1,", "v1a,")) for one in offered):
        raise WebhookRefused("unknown_scheme", "no signature of a known scheme: v1 or v1a")
    if not any(_fits(key.reveal(), one, content) for key in held for one in offered):
        raise WebhookRefused("wrong_signature", "no signature fits: another key, or the message was changed on its way")
    return found[ID]


def _check_time(text: str, now: datetime, tolerance: int) -> None:
    if not _NUMBER.fullmatch(text):
        raise WebhookRefused("bad_timestamp", f"{TIMESTAMP} must be whole seconds since 1970")
    age = now.timestamp() - int(text)
    if age > tolerance:
        raise WebhookRefused("too_old", f"the message is older than {tolerance} s")
    if age < -tolerance:
        raise WebhookRefused("too_new", f"the message is from more than {tolerance} s ahead")


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b"%s.%s.%s" % (message_id.encode("utf-8", "replace"), timestamp.encode(), body)


def _fits(key: str, offered: str, content: bytes) -> bool:
    scheme, _, text = offered.partition(",")
    try:
        signature = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    if key.startswith(PUBLIC):
        return scheme == "v1a" and _ed25519_fits(_decoded(key, PUBLIC), signature, content)
    return scheme == "v1" and hmac.compare_digest(hmac.digest(_symmetric(key), content, hashlib.sha256), signature)


def _symmetric(text: str) -> bytes:
    key = _decoded(text, SYMMETRIC)
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"a symmetric secret has {_SHORTEST} to {_LONGEST} bytes")
    return key


def _decoded(text: str, prefix: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"the key does not begin with {prefix}")
    try:
        return base64.b64decode(text[len(prefix) :], validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {prefix} is not base64") from None


def _public_of(seed: bytes) -> bytes:
    ed25519 = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    public: bytes = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return public


def _ed25519_sign(seed: bytes, content: bytes) -> bytes:
    ed25519 = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    signature: bytes = ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(content)
    return signature


def _ed25519_fits(public: bytes, signature: bytes, content: bytes) -> bool:
    ed25519 = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    invalid: type[Exception] = importlib.import_module("cryptography.exceptions").InvalidSignature
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (invalid, ValueError):
        return False
    return True
