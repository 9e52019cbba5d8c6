"""What connectors share when they judge an answer: the gateway in front of a platform, and its codes.

A platform decides success in its own envelope (marketplaces.md 0, rule 4); what is here comes before that: an HTML page
with HTTP 200, half a body, a 502 of a proxy.
"""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from isthmus.client import Failure, Response
from isthmus.client.errors import MalformedBody
from isthmus.client.judge import Kind
from isthmus.connect import reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Unmappable

T = TypeVar("T")

_KINDS: dict[int, Kind] = {
    401: "token",
    403: "refused",
    404: "not_found",
    407: "configuration",
    408: "transient",
    410: "not_found",
    425: "transient",
    429: "throttled",
}


def is_json(response: Response) -> bool:
    """Whether the body looks like a whole JSON object or list; HTML and half a body do not."""
    text = response.content.strip()
    return text[:1] + text[-1:] in {b"{}", b"[]"}


def by_status(response: Response, message: str = "", code: str = "") -> Failure | None:
    """Judge by the HTTP status alone; None for 2xx. `message` and `code` are the platform's own words."""
    status = response.status
    if 200 <= status < 300:
        return None
    kind = _KINDS.get(status) or ("transient" if status >= 500 else "caller")
    return Failure(kind=kind, code=code or f"http_{status}", message=message or f"HTTP {status}")


def unreadable(response: Response) -> Failure:
    """The verdict on an answer that is not the platform's: a gateway's page, or half a body."""
    verdict = by_status(response)
    return verdict or Failure(kind="transient", code="not_json", message="the answer is not JSON")


def foreign(response: Response) -> Failure:
    """The verdict on JSON without the platform's envelope: somebody else answered, and what it did nobody knows."""
    verdict = by_status(response)
    return verdict or Failure(kind="transient", code="foreign", message="the answer is JSON, but not the platform's")


def far_time(response: Response) -> datetime | None:
    """What the far side's clock shows (RFC 9110, Date); None where the answer does not say."""
    try:
        found = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return found if found.tzinfo else None


def last_part(code: str) -> str:
    """The code without its module prefix: `product.error_param` is `error_param` (marketplaces.md 2.4)."""
    return code.rpartition(".")[2]


def decoded(response: Response, of: msgspec.json.Decoder[T]) -> T:
    """The answer as a typed struct; one bad text in it does not cost the page. Raises MalformedBody."""
    try:
        return reading.lenient(response.content, of)
    except msgspec.ValidationError as error:
        raise MalformedBody(str(error), reason="shape") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedBody("the body is not JSON", reason="syntax") from None
    except RecursionError:
        raise MalformedBody("the JSON is nested too deeply", reason="too_deep") from None


def count(value: Loose) -> int:
    """A page's count of rows, which may come as a text. Raises MalformedBody."""
    try:
        return reading.quantity(value, "count")
    except Unmappable as error:
        raise MalformedBody("the page holds no count", reason="shape") from error
