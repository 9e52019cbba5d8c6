"""Isthmus inside a Python service: `Integrations` and `Webhooks` on the same services as the HTTP API."""

from importlib import import_module

from isthmus.library.integrations import Integrations
from isthmus.library.opening import Given, House, open_house

_LATER = dict.fromkeys(("Webhooks", "When"), "isthmus.library.webhooks")

__all__ = ["Given", "House", "Integrations", "Webhooks", "When", "open_house"]


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_LATER[name]), name)
    return found
