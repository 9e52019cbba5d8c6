"""Signing as a platform does, for samples and for tools; only what our own secrets can sign."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from isthmus.connect.webhooks import Signature, Webhooks
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.model.verifying import Key, decoded, signed
from isthmus.kit.secret import Secret

_HEADER = "header:"
#: Ways of signing for which both sides hold the same secret.
_SHARED = frozenset({"hmac", "hash", "token"})


def request(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Request:
    """A request as the intake sees it; the query is taken from the address."""
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return Request(method, url, query, {name.lower(): value for name, value in headers.items()}, body)


def sign(
    unsigned: Request, scheme: Webhooks, secret: Secret, now: datetime, *, app: Mapping[str, str], message_id: str
) -> Request:
    """The request with the headers that prove it.

    Raises ValueError where the sender's key is not ours to hold, and for a secret of another form.
    """
    shared = _shared(scheme)
    for signature in shared:
        if decoded(signature, secret) is not None:
            return _signed(unsigned, signature, secret, now, app, message_id)
    if shared:
        raise ValueError("this is no secret of the form that this platform's secrets have")
    raise ValueError("this platform signs with a private key of its own, so only it can sign")


def signable(scheme: Webhooks) -> bool:
    """Whether the sender's secret is one that the receiver holds too."""
    return bool(_shared(scheme))


def _shared(scheme: Webhooks) -> list[Signature]:
    return [one for one in scheme.signatures if one.kind in _SHARED and one.where.startswith(_HEADER)]


def _signed(
    unsigned: Request, signature: Signature, secret: Secret, now: datetime, app: Mapping[str, str], message_id: str
) -> Request:
    seconds = int(now.timestamp())
    timestamp = str(seconds * 1000 if signature.unit == "ms" else seconds)
    headers = {**unsigned.headers, **signature.requires}
    for place, value in ((signature.id, message_id), (signature.timestamp, timestamp)):
        if place.startswith(_HEADER):
            headers[place.removeprefix(_HEADER)] = value
    inbound = Inbound(unsigned, app, {"id": message_id, "timestamp": timestamp})
    if signature.kind == "token":
        value = secret.reveal()
    else:
        value = next(iter(signed(inbound, signature, decoded(signature, secret) or Key(b""))))
    text = signature.form.replace("{timestamp}", timestamp).replace("{value}", value)
    headers[signature.where.removeprefix(_HEADER)] = text
    return Request(unsigned.method, unsigned.url, unsigned.query, headers, unsigned.body)
