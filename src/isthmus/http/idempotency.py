"""Idempotency-Key: a repeated POST takes effect once and is answered alike for a day (security.md 2.16).

The key is reserved in the transaction that holds the effect, whichever of a request's transactions that is: the first
one that has written when it commits. A duplicate that comes meanwhile waits for it, then its own work is undone and
the first answer is given again. Endpoints need to do nothing for this.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from isthmus.engine import ledger
from isthmus.engine.ledger.writes import written
from isthmus.http.answers import Document
from isthmus.http.asgi import Header
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, Tx

_KEPT_HEADERS = (b"content-type", b"location")
_PIECE = 256 * 1024
_SETTLE_TRIES = 20
_SETTLE_PAUSE = 0.1

_log = logging.getLogger("isthmus.http")


class _Done(Exception):
    """The effect has been there before; carries the first answer out of the transaction that it undoes."""

    def __init__(self, answer: ledger.Answer) -> None:
        super().__init__()
        self.answer = answer


class _Looked(Exception):
    """Undoes a reservation that was made only to look, and carries what was found."""

    def __init__(self, found: ledger.Answer | None) -> None:
        super().__init__()
        self.found = found


@dataclass(slots=True)
class Taking:
    """A key on its way to be taken by the request's effect."""

    claim: ledger.Claim
    taken: bool = False


@dataclass(frozen=True, slots=True)
class OnceScope(Scope):
    """A scope whose first writing transaction takes the request's key."""

    taking: Taking | None = field(default=None, kw_only=True)

    @asynccontextmanager
    async def tx(self) -> AsyncIterator[Tx]:
        taking = self.taking
        reserved = False
        async with Scope.tx(self) as tx:
            yield tx
            if taking is not None and not taking.taken and taking.claim.tenant_id == self.tenant_id:
                await tx.flush()
                reserved = await written(tx)
                if reserved:
                    answer = await ledger.reserve(tx, taking.claim, self.now)
                    if answer is not None:
                        raise _Done(answer)
        if taking is not None and reserved:
            taking.taken = True


def with_key(scope: Scope, taking: Taking) -> OnceScope:
    """The scope, with its first effect bound to the key."""
    return OnceScope(**{each.name: getattr(scope, each.name) for each in fields(Scope)}, taking=taking)


def claim_of(scope: Scope, key: bytes, route: str, request: "Requested") -> ledger.Claim:
    """What the key stands for (ID-01, ID-02). Raises Invalid for a bad key."""
    query = urlencode(sorted(request.query)).encode()
    parts = [request.method.encode(), request.path.encode(), query, request.body]
    return ledger.claim(scope.tenant_id, scope.principal.id, route, key.decode("latin-1"), parts)


@dataclass(frozen=True, slots=True)
class Requested:
    """What of a request makes it the same request."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    body: bytes


async def digest_of_form(form: FormData) -> bytes:
    """What makes a form the same form: the names and values of its parts, and what its files hold.

    The text between the parts is another one each time that a client sends the form.
    """
    whole = hashlib.sha256()
    for name, value in form.multi_items():
        held = value if isinstance(value, str) else value.filename or ""
        for text in (name, "text" if isinstance(value, str) else "file", held):
            whole.update(len(text.encode()).to_bytes(8, "big") + text.encode())
        if not isinstance(value, str):
            whole.update(await _digest_of_file(value))
    return whole.digest()


async def _digest_of_file(file: UploadFile) -> bytes:
    found = hashlib.sha256()
    while piece := await file.read(_PIECE):
        found.update(piece)
    await file.seek(0)
    return found.digest()


async def once(
    scope: Scope, taking: Taking, work: Callable[[], Awaitable[Response]], secrets: Sequence[str] = ()
) -> Response:
    """Answer by `work`, or as the first time. `secrets` names the fields of the answer that are never kept (ID-05)."""
    first = await _meanwhile(scope, taking.claim)
    if first is not None:
        return _again(first)
    try:
        response = await work()
    except _Done as done:
        return _again(done.answer)
    except ledger.AnswerLost:
        # the first request has committed a moment ago and is about to keep its answer
        return _again(await _wait(scope, taking.claim))
    except Problem:
        # what stood in the way may be the effect of the same request, sent at the same moment
        first = None if taking.taken else await _meanwhile(scope, taking.claim)
        if first is None:
            raise
        return _again(first)
    if taking.taken:
        await _keep(scope, taking.claim, response, secrets)
        return response
    # it found nothing left to do: so may be the effect of the same request
    first = await _meanwhile(scope, taking.claim)
    return response if first is None else _again(first)


async def _meanwhile(scope: Scope, wanted: ledger.Claim) -> ledger.Answer | None:
    """The answer of another request with the same key; it may have committed just now and be about to keep it."""
    try:
        return await _look(scope, wanted)
    except ledger.AnswerLost:
        return await _wait(scope, wanted)


async def _look(scope: Scope, wanted: ledger.Claim) -> ledger.Answer | None:
    try:
        await _reserve_and_undo(scope, wanted)
    except _Looked as looked:
        return looked.found
    return None


async def _reserve_and_undo(scope: Scope, wanted: ledger.Claim) -> None:
    async with scope.tx() as tx:
        raise _Looked(await ledger.reserve(tx, wanted, scope.now))


async def _wait(scope: Scope, wanted: ledger.Claim) -> ledger.Answer:
    for _ in range(_SETTLE_TRIES):
        await asyncio.sleep(_SETTLE_PAUSE)
        try:
            found = await _look(scope, wanted)
        except ledger.AnswerLost:
            continue
        if found is not None:
            return found
    raise ledger.AnswerLost


async def _keep(scope: Scope, wanted: ledger.Claim, response: Response, secrets: Sequence[str]) -> None:
    headers = {name.decode(): value.decode("latin-1") for name, value in _kept(response.raw_headers)}
    body = _without(bytes(response.body), secrets) if secrets else bytes(response.body)
    try:
        async with scope.tx() as tx:
            await ledger.settle(tx, wanted, ledger.Answer(response.status_code, body, headers))
    except Problem:
        _log.warning("the answer to a request with an Idempotency-Key could not be kept", exc_info=True)


def _kept(headers: Sequence[Header]) -> list[Header]:
    return [(name, value) for name, value in headers if name in _KEPT_HEADERS]


def _without(body: bytes, secrets: Sequence[str]) -> bytes:
    decoded = msgspec.json.decode(body)
    if not isinstance(decoded, dict):
        return body
    left = {name: value for name, value in decoded.items() if name not in secrets}
    return msgspec.json.encode(left | {"secretShown": True})


def _again(answer: ledger.Answer) -> Response:
    headers = {**answer.headers, "idempotency-replayed": "true"}
    if headers.get("content-type") == "application/json":
        # a document again, so that a family's envelope is put around it as it was the first time
        del headers["content-type"]
        return Document(answer.body, answer.status, headers)
    return Response(answer.body, answer.status, headers)
