"""What connectors share between consent page and stored tokens: callbacks and token replies, believed little."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from isthmus.client import Response, Tokens
from isthmus.client.errors import MalformedBody
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Callback, ConsentDenied
from isthmus.kit import money
from isthmus.kit.secret import Secret

#: A platform that claims a longer life of a token is not believed (security.md OA-13).
_LONGEST = Decimal(3650 * 86_400)
_TEXT_LENGTH = 8_192


class TokenReply(msgspec.Struct):
    """The fields that token replies have in common; platforms add their own in a subclass."""

    access_token: Loose = None
    refresh_token: Loose = None
    expires_in: Loose = None
    refresh_expires_in: Loose = None
    scope: Loose = None


_REPLY = reading.decoder(TokenReply)


def callback(query: Mapping[str, str], redirect_uri: str, *names: str) -> Callback:
    """The return from a consent page; parameters called `names` are kept in `extra`.

    Raises ConsentDenied with the platform's own code, ValueError when there is neither a code nor an error.
    """
    if query.get("error"):
        raise ConsentDenied(reading.line(query["error"])[:80])
    code = query.get("code", "")
    if not code or len(code) > _TEXT_LENGTH:
        raise ValueError("the callback holds no code")
    return Callback(Secret(code), redirect_uri, extra={name: query[name] for name in names if query.get(name)})


def tokens(answer: Response, now: datetime, extra: Mapping[str, str] | None = None) -> Tokens:
    """The pair in an ordinary token reply (RFC 6749 section 5.1). Raises MalformedBody."""
    return pair(judging.decoded(answer, _REPLY), now, extra)


def pair(reply: TokenReply, now: datetime, extra: Mapping[str, str] | None = None) -> Tokens:
    """The pair that a decoded reply holds. Raises MalformedBody."""
    access, refresh = _text(reply.access_token), _text(reply.refresh_token)
    if not access:
        raise MalformedBody("the token reply holds no access token", reason="shape")
    return Tokens(
        Secret(access),
        Secret(refresh) if refresh else None,
        expires_at=ends(reply.expires_in, now),
        refresh_expires_at=ends(reply.refresh_expires_in, now),
        scope=tuple(reply.scope.split()) if isinstance(reply.scope, str) else (),
        extra=dict(extra or {}),
    )


def _text(value: Loose) -> str:
    return value if isinstance(value, str) and len(value) <= _TEXT_LENGTH else ""


def ends(value: Loose, now: datetime) -> datetime | None:
    """When something dies that lives `value` seconds from now; None where the platform says nothing readable.

    Texts, negative numbers and absurd ones are met: a life below zero is none at all, a very long one ten years.
    """
    try:
        lives = money.decimal(value)
    except ValueError:
        return None
    return now + timedelta(seconds=float(min(max(lives, Decimal(0)), _LONGEST)))
