"""The generated catalogue is repeatable and dirty; files are read whole or refused with line, column and reason."""

import contextlib
import csv
import io
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.kit.errors import Invalid
from isthmus.sandbox.catalogue import (
    CatalogueProduct,
    CatalogueUnreadable,
    CatalogueVariant,
    Drawn,
    converted,
    edited,
    folded,
    generate,
    in_currency,
    read_csv,
)

PARENT = ["ID", "Type", "SKU", "Name", "Published", "In stock?", "Stock", "Sale price", "Regular price", "Parent"]
PARENT += ["Weight (lbs)", "Images", "Categories", "Attribute 1 name", "Attribute 1 value(s)"]
HANDLE = ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Published", "Option1 Name", "Option1 Value"]
HANDLE += ["Variant SKU", "Variant Grams", "Variant Inventory Qty", "Variant Price", "Variant Compare At Price"]
HANDLE += ["Image Src", "Status"]


def write(path: Path, header: list[str], *rows: dict[str, str]) -> Path:
    """A file with these rows, as a spreadsheet would save it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    return path


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 20))
@settings(max_examples=50, deadline=None)
def test_a_product_depends_on_seed_and_number_alone_and_has_its_cheap_shape(seed: int, index: int) -> None:
    product = Drawn(seed, index + 1).product(index)
    assert product == Drawn(seed, 1 << 30).product(index)
    assert (product.status, len(product.variants)) == Drawn(seed, 1).shape(index)
    assert {len(variant.options) for variant in product.variants} == {len(product.option_names)}
    assert len({variant.options for variant in product.variants}) == len(product.variants)


def test_the_catalogue_is_dirty_in_all_the_ways_of_real_ones() -> None:
    products = list(generate(7, 600))
    variants = [variant for product in products for variant in product.variants]
    skus = [variant.sku for variant in variants if variant.sku is not None]
    text = "".join([product.title + product.description for product in products])
    assert any(variant.sku is None for variant in variants)
    assert len(set(skus)) < len(skus)
    assert any(variant.stock == 0 for variant in variants)
    assert any(variant.sale_price is not None and variant.sale_price < variant.price for variant in variants)
    assert max(len(product.title) for product in products) > 255
    assert all(sign in text for sign in ("<ul>", "&amp;", "🔥", "ư", "Waterproof"))
    assert {product.status for product in products} == {"active", "inactive", "review", "banned"}
    assert {len(product.option_names) for product in products} == {0, 1, 2}


def test_generating_is_lazy() -> None:
    assert len(list(islice(generate(1, 10**9), 3))) == 3


def test_a_file_with_parents_is_read_with_its_variations(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        PARENT,
        {"ID": "1", "Type": "variable", "SKU": "tee", "Name": "Tee", "Published": "1", "Attribute 1 name": "Color"},
        {"ID": "2", "Type": "simple", "SKU": "", "Name": "Cap", "Published": "0", "Regular price": "18", "Stock": "-3"},
        {"ID": "3", "Type": "grouped", "SKU": "g", "Name": "Both"},
        {"ID": "4", "Type": "variation", "SKU": "tee-r", "Name": "Tee red", "Parent": "tee", "Regular price": "20",
         "Sale price": "15.5", "In stock?": "1", "Attribute 1 value(s)": "Red"},
        {"ID": "5", "Type": "variation", "SKU": "tee-b", "Name": "Tee blue", "Parent": "id:1", "Regular price": "20",
         "In stock?": "0", "Attribute 1 value(s)": "Blue"},
        {"ID": "6", "Type": "simple, virtual", "SKU": "v", "Name": "Áo", "Published": "1", "Regular price": "1",
         "Images": "https://a.example/1.jpg, https://a.example/2.jpg", "Categories": "Clothing > Tshirts, Sale"},
    )  # fmt: skip
    tee, cap, virtual = read_csv(path)
    assert tee.option_names == ("Color",)
    assert [(v.sku, v.options, v.sale_price) for v in tee.variants] == [
        ("tee-r", ("Red",), Decimal("15.5")),
        ("tee-b", ("Blue",), None),
    ]
    assert tee.variants[0].stock > 0 == tee.variants[1].stock
    assert (cap.sku, cap.status, cap.variants[0].stock, cap.currency) == (None, "inactive", 0, "USD")
    assert (virtual.category, len(virtual.images)) == ("Tshirts", 2)


def test_a_file_with_handles_is_read_with_its_continuation_rows(tmp_path: Path) -> None:
    path = write(
        tmp_path / "b.csv",
        HANDLE,
        {"Handle": "lamp", "Title": "Lamp", "Vendor": "Co", "Option1 Name": "Title", "Option1 Value": "Default Title",
         "Variant Price": "69.99", "Variant Compare At Price": "85.00", "Variant Inventory Qty": "1",
         "Status": "active", "Image Src": "https://a.example/1.jpg"},
        {"Handle": "lamp", "Image Src": "https://a.example/2.jpg"},
        {"Handle": "gloves", "Title": "Gloves", "Option1 Name": "Color", "Option1 Value": "Green",
         "Variant Price": "9.99", "Variant Grams": "250", "Status": "draft"},
        {"Handle": "gloves", "Option1 Value": "Yellow", "Variant Price": "15.99", "Variant Inventory Qty": "3"},
    )  # fmt: skip
    lamp, gloves = read_csv(path, currency="EUR")
    assert (lamp.option_names, len(lamp.images), lamp.currency) == ((), 2, "EUR")
    assert (lamp.variants[0].price, lamp.variants[0].sale_price) == (Decimal("85.00"), Decimal("69.99"))
    assert [(v.options, v.price) for v in gloves.variants] == [
        (("Green",), Decimal("9.99")),
        (("Yellow",), Decimal("15.99")),
    ]
    assert (gloves.status, gloves.weight) == ("inactive", Decimal("0.25"))


@pytest.mark.parametrize(
    ("row", "line", "column"),
    [
        ({"Type": "simple", "Name": "Cap", "Regular price": "1,5"}, 2, "Regular price"),
        ({"Type": "simple", "Name": "Cap", "Regular price": "NaN"}, 2, "Regular price"),
        ({"Type": "simple", "Name": "Cap", "Regular price": "-5"}, 2, "Regular price"),
        ({"Type": "simple", "Name": "Cap", "Regular price": "5", "Stock": "many"}, 2, "Stock"),
        ({"Type": "simple", "Name": "", "Regular price": "5"}, 2, "Name"),
        ({"Type": "gizmo", "Name": "Cap"}, 2, "Type"),
        ({"Type": "variation", "Name": "Cap", "Parent": "nowhere"}, 2, "Parent"),
    ],
)
def test_rubbish_is_refused_with_line_column_and_reason(
    tmp_path: Path, row: dict[str, str], line: int, column: str
) -> None:
    with pytest.raises(CatalogueUnreadable) as caught:
        read_csv(write(tmp_path / "c.csv", PARENT, row))
    [field] = caught.value.details["fields"]
    assert field["path"] == f"line {line}, column {column!r}"
    assert field["message"]
    assert field["path"] in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b,c\n1,2,3\n",
        b"\xff\xfe\x00garbage",
        b"%PDF-1.7\n\x00\x01",
        b'{"products": []}',
        b'Handle,Title,Variant Price\n"unclosed,1,2\n',
        b"Handle,Title,Variant Price\n",
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    with pytest.raises(CatalogueUnreadable, match=r"d\.csv"):
        read_csv(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueUnreadable, match="cannot be read"):
        read_csv(tmp_path / "none.csv")


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_no_content_gets_past_the_reader_as_another_failure(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "e.csv"
    path.write_bytes(b"Handle,Title,Variant Price,Option1 Name,Option1 Value\nlamp,Lamp," + tail)
    with contextlib.suppress(CatalogueUnreadable):
        assert all(product.variants for product in read_csv(path))


def test_an_edit_touches_what_it_names_and_refuses_the_rest() -> None:
    product = CatalogueProduct(
        "Cup", (CatalogueVariant("A", Decimal(5), options=("x",)), CatalogueVariant("B", Decimal(6)))
    )
    changed = edited(product, {"title": "Mug", "stock": 4, "variant": 1, "status": "inactive"})
    assert (changed.title, changed.status) == ("Mug", "inactive")
    assert [variant.stock for variant in changed.variants] == [0, 4]
    assert [variant.price for variant in edited(product, {"price": "7.5"}).variants] == [Decimal("7.5")] * 2
    for wrong in ({"colour": "red"}, {"status": "lost"}, {"price": "much"}, {"stock": 1.5}, {"title": 3}):
        with pytest.raises(Invalid):
            edited(product, wrong)


def test_a_third_option_is_written_behind_the_second() -> None:
    variant = CatalogueVariant("A", Decimal(5), options=("Red", "M", "Wool"))
    product = folded(CatalogueProduct("Cup", (variant,), option_names=("Colour", "Size", "Cloth")))
    assert product.option_names == ("Colour", "Size / Cloth")
    assert product.variants[0].options == ("Red", "M / Wool")


def test_amounts_are_rounded_to_the_money_in_use() -> None:
    assert in_currency(Decimal("9.99"), "USD", "VND") == Decimal(249_750)
    assert in_currency(Decimal(190_000), "VND", "SGD") == Decimal("10.00")
    assert in_currency(Decimal("1000.4"), "VND", "VND") == Decimal(1000)


def test_stock_is_spread_evenly_until_a_seller_says_where_it_lies() -> None:
    even = CatalogueVariant("a", Decimal(1), stock=7)
    assert [even.spread(count) for count in (1, 2, 3)] == [(7,), (4, 3), (3, 2, 2)]
    placed = replace(even, stock=6, places=(1, 5))
    assert placed.spread(2) == (1, 5)
    restocked = edited(CatalogueProduct("A", (placed,)), {"stock": 9}).variants[0]
    assert restocked.spread(2) == (5, 4)


def test_a_product_in_another_currency_shows_the_same_amounts() -> None:
    product = CatalogueProduct("A", (CatalogueVariant("a", Decimal(10), Decimal("7.5")),), currency="USD")
    changed = converted(product, "VND")
    assert (changed.currency, changed.variants[0].price, changed.variants[0].sale_price) == (
        "VND",
        Decimal(250_000),
        Decimal(187_500),
    )
    assert converted(changed, "VND") is changed
    assert in_currency(changed.variants[0].price, "VND", "VND") == in_currency(Decimal(10), "USD", "VND")
