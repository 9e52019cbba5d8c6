"""The emulated Lazada Open Platform (reference 3): signed parameters, six countries, errors inside HTTP 200."""

from isthmus.connectors.lazada.sandbox.shop import Lazada

PLATFORM = Lazada

__all__ = ["PLATFORM", "Lazada"]
