"""Keys, Basic, Bearer and signatures as policies without I/O."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Generator
from datetime import datetime

from isthmus.client.message import Request, Response
from isthmus.kit.secret import Secret

_REJECTED = frozenset({401, 403})


def _identity(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=12).hexdigest()


class ApiKey:
    """A key in a header (`header=`) or a parameter (`query=`).

    Several keys: the first is used; when the far side answers 401 or 403 the next one is tried once, and the one
    that worked is kept, so that both may be valid while keys are rotated.
    """

    def __init__(
        self, *keys: Secret | str, header: str | None = "X-Api-Key", query: str | None = None, prefix: str = ""
    ) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._keys = [key if isinstance(key, Secret) else Secret(key) for key in keys]
        self._header = None if query else header
        self._query = query
        self._prefix = prefix
        self._good = 0
        self.identity = _identity(self._keys[-1].reveal(), header or "", query or "")

    def flow(self, request: Request, _now: datetime, /) -> Generator[Request, Response, None]:
        count = len(self._keys)
        for step in range(count):
            at = (self._good + step) % count
            response = yield self._with(request, self._keys[at])
            if response.status not in _REJECTED:
                self._good = at
                return

    def _with(self, request: Request, key: Secret) -> Request:
        if self._query:
            return request.with_query({self._query: key.reveal()})
        return request.with_headers({self._header or "X-Api-Key": self._prefix + key.reveal()})


class Bearer(ApiKey):
    """`Authorization: Bearer ...` with one or more fixed tokens."""

    def __init__(self, *tokens: Secret | str) -> None:
        super().__init__(*tokens, header="Authorization", prefix="Bearer ")


class Basic(ApiKey):
    """`Authorization: Basic ...` (RFC 7617)."""

    def __init__(self, user: str, password: Secret | str) -> None:
        if ":" in user:
            raise ValueError("a user name must not hold a colon")
        clear = password.reveal() if isinstance(password, Secret) else password
        super().__init__(b64encode(f"{user}:{clear}".encode()).decode(), header="Authorization", prefix="Basic ")


class Signed:
    """Signs each attempt with a function of your own.

    sign: gets the request and the time and returns the signed request. identity: whose credentials it uses.
    """

    def __init__(self, sign: Callable[[Request, datetime], Request], *, identity: str) -> None:
        self._sign = sign
        self.identity = identity

    def flow(self, request: Request, now: datetime) -> Generator[Request, Response, None]:
        yield self._sign(request, now)


class Hmac:
    """An HMAC over method, path with query, timestamp and body hash, each on a line of its own.

    Headers: `X-Key-Id`, `X-Timestamp` (epoch seconds) and `X-Signature` (hex), with the given prefix.
    """

    def __init__(self, key_id: str, secret: Secret, *, algorithm: str = "sha256", prefix: str = "X-") -> None:
        self._key_id = key_id
        self._secret = secret
        self._algorithm = algorithm
        self._prefix = prefix
        self.identity = _identity(key_id)

    def flow(self, request: Request, now: datetime) -> Generator[Request, Response, None]:
        stamp = str(int(now.timestamp()))
        target = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        digest = hashlib.sha256(request.body).hexdigest()
        text = "\n".join((request.method, target, stamp, digest)).encode()
        signature = hmac.new(self._secret.reveal().encode(), text, self._algorithm).hexdigest()
        prefix = self._prefix
        yield request.with_headers(
            {f"{prefix}Key-Id": self._key_id, f"{prefix}Timestamp": stamp, f"{prefix}Signature": signature}
        )
