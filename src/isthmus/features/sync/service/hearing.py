"""What was asked of a platform to get a page; told, with secrets hidden, of records in it that could not be read."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from isthmus.client import AttemptEnded, Request, listener, redact
from isthmus.connect.spi import RecordPage
from isthmus.features.sync.model import Asked, ItemError

#: Calls of one page that are remembered.
_MOST: Final = 200
_BODY: Final = 2_048


@dataclass(frozen=True, slots=True)
class Heard(RecordPage):
    """A page with the calls that brought it and how each was answered, the latest last."""

    calls: Sequence[tuple[Request, int]] = ()


async def heard(pull: Awaitable[RecordPage]) -> RecordPage:
    """The page, with its calls; whoever listens already goes on hearing them."""
    calls: list[tuple[Request, int]] = []
    others = listener.get()

    def note(event: object) -> None:
        if others is not None:
            others(event)
        if isinstance(event, AttemptEnded) and event.response is not None and len(calls) < _MOST:
            calls.append((event.request, event.response.status))

    before = listener.set(note)
    try:
        page = await pull
    finally:
        listener.reset(before)
    return Heard(page.records, page.cursor, page.total, calls)


def told(page: RecordPage, errors: Sequence[ItemError]) -> list[ItemError]:
    """The errors with the call that each record came by: the last that names it, else the first of the page."""
    calls = page.calls if isinstance(page, Heard) else ()
    return [replace(one, asked=_asked(calls, one.external_id)) for one in errors]


def _asked(calls: Sequence[tuple[Request, int]], external_id: str) -> Asked | None:
    if not calls:
        return None
    naming = [call for call in calls if external_id and _names(call[0], external_id)]
    request, status = naming[-1] if naming else calls[0]
    content_type = request.headers.get("content-type", "")
    return Asked(request.method, redact.url(request.url), redact.body(request.body, content_type, _BODY), status)


def _names(request: Request, external_id: str) -> bool:
    return external_id in request.url.path.split("/") or any(external_id == value for _, value in request.query())
