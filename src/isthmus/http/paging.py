"""Pages of lists: bounds, and cursors that count only where they were made and tell nothing (SC-01, SC-02)."""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from fastapi import Depends, Query, Request

from isthmus.http.answers import Document, document
from isthmus.http.asgi import KEY
from isthmus.http.errors import BadCursor
from isthmus.http.exchange import Exchange
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import DEFAULT_LIMIT, MAX_LIMIT, Ask, Page
from isthmus.kit.secret import Secret

CURSOR_SECONDS = 24 * 3600
_OWN_NAMES = frozenset({"limit", "offset", "cursor"})
_PLACES = msgspec.json.Decoder(tuple[int, str])


class Cursors:
    """Makes and reads cursors; each is bound to its list, to who may use it and until when.

    They are encrypted: a place may be a number that counts what all tenants of a deployment have.
    """

    def __init__(self, key: Secret, clock: Clock) -> None:
        # needs no nonce, so that none can come twice
        self._cipher = AESSIV(hmac.digest(key.reveal().encode(), b"isthmus cursors", "sha512"))
        self._clock = clock

    def seal(self, place: str, binding: Sequence[str]) -> str:
        """A cursor for this place in the list that `binding` describes."""
        payload = msgspec.json.encode((int(self._clock.now().timestamp()) + CURSOR_SECONDS, place))
        return base64.urlsafe_b64encode(self._cipher.encrypt(payload, _bound(binding))).decode().rstrip("=")

    def open(self, cursor: str, binding: Sequence[str]) -> str:
        """The place. Raises BadCursor for anything that was not made for this list, this caller and this time."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            until, place = _PLACES.decode(self._cipher.decrypt(raw, _bound(binding)))
        except (ValueError, InvalidTag, msgspec.DecodeError):
            raise BadCursor from None
        if until < self._clock.now().timestamp():
            raise BadCursor
        return place


def _bound(binding: Sequence[str]) -> list[bytes]:
    return [msgspec.json.encode(binding)]


@dataclass(frozen=True, slots=True)
class Paging:
    """What was asked for, and how to answer it."""

    ask: Ask
    cursors: Cursors
    binding: Sequence[str]

    def listing(self, key: str, page: Page[Any]) -> Document:
        """The answer to a list: the page's rows under `key`, and what is needed to go on."""
        shape: dict[str, Any] = {key: page.items, "limit": self.ask.limit}
        has_more = page.has_more or page.next_after is not None
        if page.total is not None:
            shape["total"] = page.total
        if self.ask.after is None:
            shape["offset"] = self.ask.offset
        shape["hasMore"] = has_more
        if has_more and self.ask.after is None:
            shape["nextOffset"] = self.ask.offset + len(page.items)
        if page.next_after is not None:
            shape["nextCursor"] = self.cursors.seal(page.next_after, self.binding)
        return document(shape)


async def _paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most rows of the page.")] = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="Rows to skip; not together with a cursor.")] = 0,
    cursor: Annotated[
        str | None, Query(max_length=2048, description="`nextCursor` of the page before, with the same filters.")
    ] = None,
) -> Paging:
    exchange: Exchange = request.scope[KEY]
    cursors: Cursors = request.app.cursors
    principal, route = exchange.principal, exchange.route
    filters = sorted(pair for pair in exchange.query if pair[0] not in _OWN_NAMES)
    binding = (
        principal.tenant_id if principal else "",
        route.path if route else "",
        *(text for pair in filters for text in pair),
    )
    if cursor is None:
        return Paging(Ask(limit, offset), cursors, binding)
    if offset:
        raise Invalid.field("offset", "Give either a cursor or an offset.")
    return Paging(Ask(limit, 0, cursors.open(cursor, binding)), cursors, binding)


async def _cursors(request: Request) -> Cursors:
    cursors: Cursors = request.app.cursors
    return cursors


#: For lists whose bounds stand in a body; most take PageDep.
CursorsDep = Annotated[Cursors, Depends(_cursors)]
PageDep = Annotated[Paging, Depends(_paging)]


def listing(key: str, page: Page[Any], paging: Paging) -> Document:
    """The answer to a list."""
    return paging.listing(key, page)
