"""The emulated Shopee Open Platform v2 (reference 2): signed queries, main accounts, errors inside HTTP 200."""

from isthmus.connectors.shopee.sandbox.shop import Shopee

PLATFORM = Shopee

__all__ = ["PLATFORM", "Shopee"]
