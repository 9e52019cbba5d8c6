"""Calls of Shopify's GraphQL: one address, failures with HTTP 200, mutations sent once (marketplaces.md 6.3)."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from isthmus.client import Failure, MalformedBody, Response
from isthmus.client.graphql import judge
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome, Result

T = TypeVar("T")


class Complaint(msgspec.Struct):
    """One of the userErrors; where it has one, `field` is the path to what it is about."""

    field: list[Loose] | None = None
    message: Loose = None
    code: Loose = None

    def place(self) -> int | None:
        """The first number in the path: the place of a row in the list that was sent."""
        places = (one for one in self.field or () if isinstance(one, str) and one.isascii() and one.isdecimal())
        return next((int(one) for one in places), None)

    def refused(self, key: str) -> Outcome:
        """The refusal in the platform's own words."""
        code = reading.line(self.code)[:80] or "user_error"
        return Outcome(key, Result.REFUSED, code, reading.line(self.message)[:500])


class _Throttle(msgspec.Struct, rename="camel"):
    maximum_available: Loose = None
    currently_available: Loose = None
    restore_rate: Loose = None


class _Cost(msgspec.Struct, rename="camel"):
    throttle_status: _Throttle
    requested_query_cost: Loose = None


class _Extensions(msgspec.Struct):
    cost: _Cost


class _Costed(msgspec.Struct):
    extensions: _Extensions


_COSTED = reading.decoder(_Costed)
#: Seconds that one query waits for the next at most.
_LONGEST = 20.0


def failure(response: Response) -> Failure | None:
    """The verdict on an answer that is JSON and came with 200: a throttle tells how long to wait by its cost (pure)."""
    if b'"errors"' not in response.content:
        return None
    try:
        return judge(response)
    except MalformedBody as error:
        return Failure(kind="transient", code="not_json", message=error.message)


async def ask(
    session: Session,
    root: str,
    document: str,
    variables: Mapping[str, object],
    of: msgspec.json.Decoder[T],
    headers: Mapping[str, str] | None = None,
) -> T:
    """Run a query; it is safe to send again. It ends when the next one may be sent. Raises client errors.

    headers: what proves the caller, where the session's client has no credentials yet.
    """
    body = {"query": document, "variables": variables}
    answer = await session.client.post(f"{root}/graphql.json", body, idempotent=True, headers=headers or {})
    found = judging.decoded(answer, of)
    await session.clock.sleep(_pause(answer))
    return found


def _pause(answer: Response) -> float:
    """Seconds until twice what this query asked for is there: the next one is mostly its like, and may be lost once.

    The rate at which points come back bounds a long pull whatever is kept in hand. Nothing is known of other callers in
    the same shop: who finds too few points because of them waits for the throttle instead.
    """
    try:
        cost = reading.lenient(answer.content, _COSTED).extensions.cost
        status = cost.throttle_status
        wanted = min(2 * float(cost.requested_query_cost), float(status.maximum_available))
        left, rate = float(status.currently_available), float(status.restore_rate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
        return 0.0
    return min(max(wanted - left, 0.0) / rate, _LONGEST) if rate > 0 else 0.0


async def change(
    session: Session, root: str, document: str, variables: Mapping[str, object], of: msgspec.json.Decoder[T]
) -> T:
    """Run a mutation; it is sent again only where nothing can have happened. Raises client errors."""
    body = {"query": document, "variables": variables}
    return judging.decoded(await session.client.post(f"{root}/graphql.json", body, idempotent=False), of)


def gid(kind: str, number: str) -> str:
    """The global id of an object (marketplaces.md 6.5)."""
    return f"gid://shopify/{kind}/{number}"


def first(complaints: Sequence[Complaint]) -> Complaint:
    """The complaint that stands for all."""
    return complaints[0] if complaints else Complaint(message="The platform gave no reason.")
