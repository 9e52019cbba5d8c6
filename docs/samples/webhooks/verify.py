"""Verify a webhook with the standard library alone: copy this file, or take `isthmus.kit.webhooks` from the package."""  # noqa: INP001

import base64
import hmac
from collections.abc import Mapping, Sequence

TOLERANCE = 300


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
    """The message's id. Raises ValueError with the reason. `body` is what came in, before anything parsed it."""
    found = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, offered = (found.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message_id and timestamp and offered):
        raise ValueError("missing_header")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise ValueError("bad_timestamp")
    if now - int(timestamp) > TOLERANCE:
        raise ValueError("too_old")
    if int(timestamp) - now > TOLERANCE:
        raise ValueError("too_new")
    signatures = offered.split(" ")
    if len(signatures) > 10:
        raise ValueError("too_many_signatures")
    if not secrets:
        raise ValueError("no_key")
    if not any(one.startswith("v1,") for one in signatures):
        raise ValueError("unknown_scheme")
    content = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body)
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        if any(hmac.compare_digest(expected.encode(), one.encode()) for one in signatures):
            return message_id
    raise ValueError("wrong_signature")
