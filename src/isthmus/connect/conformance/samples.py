"""The sample files of a connector's folder: what they hold, and how they are read.

`samples/*.json` are one document each, told apart by `kind`. The same files feed the conformance suite, the webhook
simulator, the demo shop and the documentation, so each is a small true story with a `title`.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from isthmus.connect.conformance.report import Broken
from isthmus.connect.shapes import Listing, Order
from isthmus.connect.spi import Account, RawRecord

T = TypeVar("T")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sample with a misspelt field would check nothing."""


class SampleAccount(_Strict, frozen=True):
    """The account a sample belongs to."""

    id: str
    region: str = ""
    extra: dict[str, str] = {}

    def account(self) -> Account:
        """As connectors get it."""
        return Account(self.id, region=self.region, extra=self.extra)


class ListingSample(_Strict, frozen=True, tag_field="kind", tag="listing"):
    """A record as the platform sends it, and the listing it must become."""

    title: str
    account: SampleAccount
    record_id: str
    payload: msgspec.Raw
    listing: Listing
    read_at: datetime | None = None

    def record(self) -> RawRecord:
        """As `pull_listings` would hand it over."""
        return RawRecord(self.record_id, bytes(self.payload), self.read_at)


class OrderSample(_Strict, frozen=True, tag_field="kind", tag="order"):
    """An order as the platform sends it, and the canonical order it must become."""

    title: str
    account: SampleAccount
    record_id: str
    payload: msgspec.Raw
    order: Order

    def record(self) -> RawRecord:
        """As `pull_orders` would hand it over."""
        return RawRecord(self.record_id, bytes(self.payload))


class FailureCase(_Strict, frozen=True):
    """An answer of the platform and the verdict on it; `query` is what the request carried."""

    title: str
    failure: str | None
    code: str | None = None
    retry_after: float | None = None
    status: int = 200
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw()
    text: str = ""

    def content(self) -> bytes:
        """The body's bytes."""
        return bytes(self.body) or self.text.encode()


class Failures(_Strict, frozen=True, tag_field="kind", tag="failures"):
    """The platform's error table as answers."""

    cases: list[FailureCase]


class RequestCase(_Strict, frozen=True):
    """A request, and the query and headers it must leave with."""

    title: str
    method: str
    url: str
    form: dict[str, str] | None = None
    content: str | None = None
    now: datetime | None = None
    query: dict[str, str] = {}
    headers: dict[str, str] = {}


class Requests(_Strict, frozen=True, tag_field="kind", tag="requests"):
    """Signature vectors."""

    app: dict[str, str]
    account: SampleAccount
    access: str
    now: datetime
    cases: list[RequestCase]


class CallbackCase(_Strict, frozen=True):
    """A return from the consent page: a code, a refusal, or something that is neither."""

    title: str
    query: dict[str, str]
    outcome: Literal["code", "denied", "unreadable"]


class Callbacks(_Strict, frozen=True, tag_field="kind", tag="callbacks"):
    """The forms of the platform's callback."""

    cases: list[CallbackCase]


Sample = ListingSample | OrderSample | Failures | Requests | Callbacks
_DECODER = msgspec.json.Decoder(Sample)


def read(folder: Path) -> list[Sample]:
    """Every sample of a connector's folder. Raises Broken, naming the file that cannot be read."""
    found: list[Sample] = []
    for path in sorted((folder / "samples").glob("*.json")):
        try:
            found.append(_DECODER.decode(path.read_bytes()))
        except msgspec.DecodeError as error:
            raise Broken(f"samples/{path.name}: {error}") from error
    return found


def of(kind: type[T], samples: Sequence[Sample]) -> list[T]:
    """The samples of one kind."""
    return [sample for sample in samples if isinstance(sample, kind)]
