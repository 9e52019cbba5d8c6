"""The emulated WooCommerce REST v3 (reference 7): keys per shop, pages by number, exclusive windows, webhooks."""

from isthmus.connectors.woocommerce.sandbox.shop import WooCommerce

PLATFORM = WooCommerce

__all__ = ["PLATFORM", "WooCommerce"]
