"""Isthmus: one self-hosted service that connects a product to its customers' other systems.

`isthmus.Integrations` and `isthmus.Webhooks` are its face inside a Python service; they are loaded when they are used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LIBRARY = frozenset({"Given", "Integrations", "Webhooks", "When", "open_house"})


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a stub that named them would make one knot of all modules
    if name not in _LIBRARY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("isthmus.library"), name)
