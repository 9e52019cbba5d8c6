"""Products written out, as a file that the upload reads back without a difference."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from isthmus.connect.shapes import Listing, Variant
from isthmus.features import records
from isthmus.kit.text import guarded
from isthmus.scope import Scope

#: Written in one go: some milliseconds of the event loop.
_PAGE: Final = 100
HEADER: Final = (
    *("product_id", "title", "description", "brand", "category", "tags", "images", "status", "url", "condition"),
    "product_weight_kg",
    *("variant_id", "variant_title", "sku", "barcode", "currency", "price", "list_price", "stock", "weight_kg"),
    *("variant_status", "variant_image"),
    *("option1_name", "option1_value", "option2_name", "option2_value", "option3_name", "option3_value"),
)
_OPTIONS: Final = 3


async def exported(scope: Scope, form: Literal["csv", "ndjson"], connection_id: str | None) -> AsyncIterator[bytes]:
    """The listings of a connection, or of all, in pieces; page by page, so that memory stays flat."""
    if form == "csv":
        yield _written([HEADER])
    after: str | None = None
    while True:
        found = await records.bodies_after(scope, after, _PAGE, connection_id)
        if not found:
            return
        after = found[-1][0]
        yield _rows([one for _, one in found]) if form == "csv" else _lines([one for _, one in found])


def _lines(found: Sequence[Listing]) -> bytes:
    return b"".join(msgspec.json.encode(shown(one)) + b"\n" for one in found)


def shown(one: Listing) -> dict[str, object]:
    """A product as the JSON form of our own file writes it."""
    return {
        "id": one.external_id,
        "title": one.title,
        "description": one.description_html,
        "brand": one.brand,
        "category": list(one.category_path),
        "tags": list(one.tags),
        "images": [image.url for image in one.images],
        "status": one.status,
        "url": one.url,
        "condition": one.condition,
        "weightKg": _plain(one.weight_kg),
        "variants": [_variant(variant) for variant in one.variants],
    }


def _variant(one: Variant) -> dict[str, object]:
    price = one.price
    options = {
        f"option{place}": {"name": chosen.name, "value": chosen.value}
        for place, chosen in enumerate(one.option_values[:_OPTIONS], start=1)
    }
    return {
        "id": one.external_id,
        "title": one.title,
        "sku": one.sku,
        "barcode": one.barcode,
        "currency": price.currency if price else None,
        "price": format(price.current_price, "f") if price else None,
        "listPrice": format(price.list_price, "f") if price else None,
        "stock": one.available,
        "weightKg": _plain(one.weight_kg),
        "status": one.status,
        "image": one.image_url,
        **options,
    }


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _rows(found: Sequence[Listing]) -> bytes:
    return _written([row for one in found for row in _of(one)])


def _of(one: Listing) -> list[Sequence[object]]:
    shared = (
        *(one.title, one.description_html, one.brand, ">".join(one.category_path), ",".join(one.tags)),
        *(" ".join(image.url for image in one.images), one.status, one.url, one.condition, one.weight_kg),
    )
    return [(one.external_id, *shared, *_cells(variant)) for variant in one.variants]


def _cells(one: Variant) -> list[object]:
    price = one.price
    chosen = [part for value in one.option_values[:_OPTIONS] for part in (value.name, value.value)]
    return [
        *(one.external_id, one.title, one.sku, one.barcode),
        *((price.currency, price.current_price, price.list_price) if price else (None, None, None)),
        *(one.available, one.weight_kg, one.status, one.image_url),
        *chosen,
        *[""] * (2 * _OPTIONS - len(chosen)),
    ]


def _written(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    """A cell: numbers are plain and need no guard, whatever their sign; every text gets it."""
    if value is None:
        return ""
    return format(Decimal(value), "f") if isinstance(value, int | Decimal) else guarded(str(value))


def errors_file(rows: Sequence[Sequence[object]]) -> bytes:
    """Row errors as CSV."""
    return _written(rows)
