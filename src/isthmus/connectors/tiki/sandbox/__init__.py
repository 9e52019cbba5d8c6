"""The emulated Tiki Open API (reference 4): standard OAuth2, no request signature, pages by number, local times."""

from isthmus.connectors.tiki.sandbox.shop import Tiki

PLATFORM = Tiki

__all__ = ["PLATFORM", "Tiki"]
