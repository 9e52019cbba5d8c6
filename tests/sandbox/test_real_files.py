"""Real product files fill the sandboxes (the demo's `--catalog`)."""

import pytest
from tests.beside import SHARED

from isthmus.sandbox import CatalogueUnreadable, read_csv


@pytest.mark.shared
@pytest.mark.parametrize(("name", "least"), [("sample_products.csv", 15), ("shopify_packt.csv", 20)])
def test_a_real_export_becomes_products(name: str, least: int) -> None:
    products = read_csv(SHARED / "data" / name)
    assert len(products) >= least
    assert all(product.title and product.variants for product in products)


@pytest.mark.shared
def test_a_file_of_another_kind_is_refused_with_its_place() -> None:
    with pytest.raises(CatalogueUnreadable, match="line 1"):
        read_csv(SHARED / "data" / "online_retail_12k_orders.csv")
