"""News of an order makes the order be read anew, whatever platform tells of it."""

import pytest

from isthmus.connect import registry
from isthmus.connect.manifest import Manifest

SHOPS = {name: found.manifest for name, found in registry.discover().items() if found.manifest.entity("orders")}


def test_every_marketplace_that_pushes_orders_is_looked_at() -> None:
    assert {"lazada", "shopee", "shopify", "tiki", "woocommerce"} <= SHOPS.keys()


@pytest.mark.parametrize("manifest", SHOPS.values(), ids=SHOPS.keys())
def test_news_of_orders_and_products_name_what_is_read_anew(manifest: Manifest) -> None:
    assert manifest.webhooks is not None
    told = {hint.event: hint.entity for hint in manifest.webhooks.hints}
    # A refund bears its own id and not the order's; the order's own news come beside it.
    orders = {event: entity for event, entity in told.items() if event.startswith("order.") and "refund" not in event}
    assert orders
    assert set(orders.values()) == {"orders"}
    assert {entity for event, entity in told.items() if event.startswith("product.")} <= {"products"}
