"""Whether a request is believed, and why (security.md WH-01 to WH-03). Nothing that is secret gets into a verdict."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_der_public_key

from isthmus.connect.webhooks import Signature, Webhooks
from isthmus.features.webhooks_in.model.inbound import Inbound, walk
from isthmus.kit.secret import Secret

#: More signatures than this are not looked at (WH-01).
MOST_SIGNATURES = 10
#: The longest text in which signatures are looked for.
_LONGEST = 4_096
_NUMBER = re.compile(r"[0-9]{1,13}", re.ASCII)
_DIGESTS = frozenset({"hmac", "hash"})
_PORTS = {"https": "443", "http": "80"}
_ENTITY = re.compile(r"&(lt|gt|amp|quot|#0*(?:34|38|39|60|62)|#[xX]0*(?:22|26|27|3[cC]|3[eE]));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}


class Key:
    """What a secret's text stands for; it is prepared once for each algorithm, which is half of a short HMAC's cost."""

    __slots__ = ("_prepared", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._prepared: dict[str, hmac.HMAC] = {}

    def digest(self, algorithm: str, content: bytes) -> bytes:
        """The HMAC of this content."""
        prepared = self._prepared.get(algorithm)
        if prepared is None:
            prepared = self._prepared[algorithm] = hmac.new(self.raw, digestmod=algorithm)
        made = prepared.copy()
        made.update(content)
        return made.digest()


@dataclass(frozen=True, slots=True)
class LiveSecret:
    """A secret that is believed until `expires_at`; None: until it is taken away."""

    secret: Secret
    expires_at: datetime | None = None
    _keys: dict[tuple[str, str, bool], Key | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def lives(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.expires_at is None or now < self.expires_at

    def key(self, signature: Signature) -> Key | None:
        """The key for this way of signing; None when the secret is not for it."""
        kind = signature.key, signature.key_prefix, signature.key_marked
        if kind not in self._keys:
            self._keys[kind] = decoded(signature, self.secret)
        return self._keys[kind]


class Verdict(msgspec.Struct, frozen=True):
    """Whether a delivery is believed; `reason` is a stable word, `text` says what to look at."""

    accepted: bool
    reason: str
    text: str
    #: The signed time and the id that the verified signature named, where it names any.
    timestamp: int | None = None
    id: str = ""
    #: Which of the manifest's ways of signing decided; -1 where none did.
    way: int = -1


class _Refused(Exception):
    def __init__(self, reason: str, text: str) -> None:
        self.reason, self.text = reason, text
        super().__init__(reason)


def verify(inbound: Inbound, scheme: Webhooks, secrets: Sequence[LiveSecret], now: datetime) -> Verdict:
    """Judge a request on its raw bytes; the first way of signing that it offers and a live secret fits decides."""
    live = [one for one in secrets if one.lives(now) and one.secret]
    if not live:
        return Verdict(False, "no_key", "No live secret is configured, so nothing can be believed.")
    offered = False
    for way, signature in enumerate(scheme.signatures):
        values = _values(inbound, signature)
        if not values:
            continue
        offered = True
        keys = [key for one in live if (key := one.key(signature)) is not None]
        if keys:
            return _judged(inbound, signature, values, keys, now, way)
    if offered:
        return Verdict(False, "no_fitting_key", "No live secret is of the kind that this signature was made with.")
    return Verdict(False, *_absent(inbound, scheme))


def _absent(inbound: Inbound, scheme: Webhooks) -> tuple[str, str]:
    there = [one.where for one in scheme.signatures if inbound.text(one.where)]
    if there:
        return "unknown_scheme", f"What stands in {there[0]} is no signature of a known form."
    wanted = ", ".join(dict.fromkeys(one.where for one in scheme.signatures))
    return "missing_signature", f"The request is not signed: {wanted} should be there."


def _values(inbound: Inbound, signature: Signature) -> list[str]:
    """The signatures that are offered this way; the groups of the first match are noted."""
    headers = inbound.request.headers
    if signature.requires and any(headers.get(name) != value for name, value in signature.requires.items()):
        return []
    # no scheme signs with more, and what a stranger sends is searched for a pattern
    text = inbound.text(signature.where)[:_LONGEST]
    if not text:
        return []
    pattern, alone = _compiled(signature.pattern)
    if alone:
        only = pattern.match(text)
        return [only["value"]] if only is not None and only["value"] else []
    values: list[str] = []
    groups: dict[str, str] = {}
    for match in pattern.finditer(text):
        for name, value in match.groupdict().items():
            if name == "value" and value:
                values.append(value)
            elif value and name != "value":
                groups.setdefault(f"signature:{name}", value)
        if len(values) > MOST_SIGNATURES:
            break
    if values:
        inbound.found.update(groups)
    return values


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], bool]:
    """The pattern, and whether all that it can find is one value from the text's beginning."""
    compiled = re.compile(pattern, re.ASCII)
    alone = pattern.startswith("^") and pattern.endswith("$") and "|" not in pattern and compiled.groups == 1
    return compiled, alone and "value" in compiled.groupindex


def _judged(
    inbound: Inbound, signature: Signature, values: list[str], keys: list[Key], now: datetime, way: int
) -> Verdict:
    try:
        timestamp = _prepared(inbound, signature, now)
    except _Refused as refused:
        return Verdict(False, refused.reason, refused.text, way=way)
    if len(values) > MOST_SIGNATURES:
        text = f"At most {MOST_SIGNATURES} signatures are looked at."
        return Verdict(False, "too_many_signatures", text, way=way)
    if not _any_fits(inbound, signature, values, keys):
        text = "No signature fits: another secret, or changed on its way."
        return Verdict(False, "wrong_signature", text, way=way)
    return Verdict(True, "verified", "A live secret fits.", timestamp, inbound.found.get("id", ""), way)


def _any_fits(inbound: Inbound, signature: Signature, values: list[str], keys: list[Key]) -> bool:
    for key in keys:
        for value in values:
            if _fits(inbound, signature, key, value):
                return True
    return False


def _prepared(inbound: Inbound, signature: Signature, now: datetime) -> int | None:
    """Note what the template needs and check what can be checked without a key; the signed time in seconds."""
    if signature.single:
        members = walk(inbound.json, signature.single.removeprefix("body:").split("."))
        if not isinstance(members, list) or len(members) != 1:
            raise _Refused("not_one_item", f"{signature.single} must have exactly one member: only one is signed.")
    if signature.id:
        inbound.found["id"] = inbound.text(signature.id)
        if not inbound.found["id"]:
            raise _Refused("missing_id", f"{signature.id} should be there: it is signed.")
    if signature.body_digest:
        _check_digest(inbound, signature)
    if not signature.timestamp:
        return None
    text = inbound.text(signature.timestamp)
    inbound.found["timestamp"] = text
    return _checked_time(text, signature, now)


def _check_digest(inbound: Inbound, signature: Signature) -> None:
    """A signature over the address alone covers the body by a digest in the address; forms are signed themselves."""
    told = inbound.text(signature.body_digest)
    if told and not _same(hashlib.sha256(inbound.request.body).hexdigest(), told):
        raise _Refused("wrong_body_digest", f"{signature.body_digest} is not the digest of this body.")
    if not told and inbound.request.body and not inbound.form:
        raise _Refused("missing_body_digest", f"{signature.body_digest} should be there: nothing else covers the body.")


def _checked_time(text: str, signature: Signature, now: datetime) -> int | None:
    if not text:
        raise _Refused("missing_timestamp", f"{signature.timestamp} should be there: it is signed.")
    if not _NUMBER.fullmatch(text):
        raise _Refused("bad_timestamp", f"{signature.timestamp} must be a whole number of {signature.unit}.")
    seconds = int(text) / (1000 if signature.unit == "ms" else 1)
    tolerance = signature.tolerance
    if tolerance is not None and now.timestamp() - seconds > tolerance:
        raise _Refused("too_old", f"The request is older than {tolerance} s.")
    if tolerance is not None and seconds - now.timestamp() > tolerance:
        raise _Refused("too_new", f"The request is from more than {tolerance} s ahead.")
    return int(seconds)


def decoded(signature: Signature, secret: Secret) -> Key | None:
    """The key that a secret's text stands for; None when it is not for this way of signing."""
    text = secret.reveal()
    if signature.key_prefix:
        if signature.key_marked and not text.startswith(signature.key_prefix):
            return None
        text = text.removeprefix(signature.key_prefix)
    try:
        raw = _DECODERS[signature.key](text)
    except (ValueError, binascii.Error):
        return None
    return Key(raw) if raw else None


def usable(scheme: Webhooks, secret: Secret) -> bool:
    """Whether a secret is of a form with which something could be believed here."""
    return any(_serves(signature, secret) for signature in scheme.signatures)


def _serves(signature: Signature, secret: Secret) -> bool:
    key = decoded(signature, secret)
    if key is None:
        return False
    if signature.kind == "token":
        # what is never recognised as a token where it stands fits nothing
        shown = signature.form.replace("{value}", secret.reveal())
        return any(found["value"] == secret.reveal() for found in _compiled(signature.pattern)[0].finditer(shown))
    try:
        if signature.kind == "ed25519":
            ed25519.Ed25519PublicKey.from_public_bytes(key.raw)
        elif signature.kind == "ecdsa":
            return isinstance(load_der_public_key(key.raw), ec.EllipticCurvePublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _wordpress(text: str) -> bytes:
    return _ENTITY.sub(lambda found: _entity(found[1]), text).encode()


def _entity(name: str) -> str:
    if not name.startswith("#"):
        return _NAMED[name]
    digits, base = (name[2:], 16) if name[1] in "xX" else (name[1:], 10)
    return chr(int(digits, base))


_DECODERS: dict[str, Callable[[str], bytes]] = {
    "text": lambda text: text.encode("utf-8", "surrogatepass"),
    "base64": lambda text: base64.b64decode(text, validate=True),
    "hex": bytes.fromhex,
    "wordpress": _wordpress,
}


def _fits(inbound: Inbound, signature: Signature, key: Key, value: str) -> bool:
    if signature.kind == "token":
        return hmac.compare_digest(key.raw, value.encode("utf-8", "surrogateescape"))
    if signature.kind in _DIGESTS:
        return any(_same(made, value) for made in signed(inbound, signature, key))
    try:
        raw = bytes.fromhex(value) if signature.encoding == "hex" else base64.b64decode(value, validate=True)
        return _public_key_fits(signature, key.raw, raw, inbound.render(signature.template))
    except (ValueError, binascii.Error, InvalidSignature, UnsupportedAlgorithm):
        return False


def _public_key_fits(signature: Signature, key: bytes, raw: bytes, content: bytes) -> bool:
    """Raises InvalidSignature or ValueError where it does not."""
    if signature.kind == "ed25519":
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(raw, content)
        return True
    public = load_der_public_key(key)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return False
    public.verify(raw, content, ec.ECDSA(hashes.SHA256()))
    return True


def signed(inbound: Inbound, signature: Signature, key: Key) -> Iterator[str]:
    """What the signature must be, in every spelling of the address that its sender may have signed."""
    if signature.kind == "hmac" and signature.template == "{body}":
        yield _written(signature, key.digest(signature.algorithm, inbound.request.body))
        return
    for url in spellings(inbound.request.url) if signature.any_port else (inbound.request.url,):
        inbound.found["url"] = url
        inbound.found["secret"] = key.raw.decode("utf-8", "surrogateescape")
        content = inbound.render(signature.template)
        del inbound.found["url"], inbound.found["secret"]
        if signature.kind == "hash":
            digest = hashlib.new(signature.algorithm, content).digest()
        else:
            digest = key.digest(signature.algorithm, content)
        yield _written(signature, digest)


def _written(signature: Signature, digest: bytes) -> str:
    return digest.hex() if signature.encoding == "hex" else base64.b64encode(digest).decode()


def spellings(url: str) -> Iterator[str]:
    """The address as it is, and with its port added or left out."""
    yield url
    parts = urlsplit(url)
    host = parts.netloc
    if parts.port is not None:
        yield urlunsplit(parts._replace(netloc=host.rpartition(":")[0]))
    elif parts.scheme in _PORTS:
        yield urlunsplit(parts._replace(netloc=f"{host}:{_PORTS[parts.scheme]}"))


def _same(made: str, offered: str) -> bool:
    return hmac.compare_digest(made.encode(), offered.encode("utf-8", "surrogateescape"))
