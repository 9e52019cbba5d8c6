"""The emulated Shopify Admin REST API (reference 6): tokens of custom apps, pages by the Link header, signed pushes."""

from isthmus.connectors.shopify.sandbox.shop import Shopify

PLATFORM = Shopify

__all__ = ["PLATFORM", "Shopify"]
