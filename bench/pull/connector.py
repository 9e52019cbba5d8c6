"""The connector of the benchmark: as little as a platform with plain pages needs."""

from datetime import datetime
from decimal import Decimal

import msgspec

from isthmus.client import ApiClient
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Price, Variant
from isthmus.connect.spi import RawRecord, RecordPage, Window
from isthmus.features import records
from isthmus.kit.text import shown


class Page(msgspec.Struct):
    """A page as the shop answers it; the records stay bytes."""

    products: list[msgspec.Raw]
    total: int
    next: int | None = None


class Key(msgspec.Struct):
    """What names a record."""

    id: int


class Product(Key):
    """A record."""

    sku: str
    title: str
    description: str
    vendor: str
    price: Decimal
    currency: str
    stock: int
    status: str
    updated_at: datetime
    barcode: str
    weight_g: int
    tags: list[str]
    image: str


_PAGE = msgspec.json.Decoder(Page)
_KEY = msgspec.json.Decoder(Key)
_PRODUCT = msgspec.json.Decoder(Product)
_STATUS = {"active": ListingStatus.ACTIVE, "draft": ListingStatus.DRAFT}
_GRAMS = Decimal("0.001")


class ShopSource:
    """Reads the shop of `server.py`."""

    reading = records.revision("bench", "1")

    def __init__(self, client: ApiClient, size: int) -> None:
        self._client = client
        self._size = size

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:  # noqa: ARG002 - the shop knows no windows
        answer = await self._client.get(f"/products?page={cursor or 1}&limit={self._size}")
        page = _PAGE.decode(answer.content)
        found = [RawRecord(str(_KEY.decode(raw).id), bytes(raw)) for raw in page.products]
        return RecordPage(found, None if page.next is None else str(page.next), page.total)

    async def fetch(self, external_id: str) -> RawRecord | None:
        """The shop shows pages alone."""
        raise LookupError(external_id)

    def map(self, record: RawRecord) -> Listing:
        one = _PRODUCT.decode(record.payload)
        price = one.price
        only = Variant(
            external_id=record.external_id,
            sku=one.sku,
            barcode=one.barcode,
            weight_kg=one.weight_g * _GRAMS,
            price=Price(one.currency, price, price),
            inventory=(Inventory(one.stock),),
        )
        return Listing(
            external_id=record.external_id,
            title=shown(one.title),
            status=_STATUS.get(one.status, ListingStatus.UNKNOWN),
            platform_status=one.status,
            variants=(only,),
            description_html=one.description,
            brand=one.vendor,
            images=(Image(one.image),),
            tags=tuple(one.tags),
            platform_updated_at=one.updated_at,
        )
