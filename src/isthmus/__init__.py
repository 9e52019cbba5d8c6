"""Isthmus: one self-hosted service that connects a product to its customers' other systems.

`isthmus.Integrations` and `isthmus.Webhooks` are its face inside a Python service; they are loaded when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from isthmus.kit.version import VERSION

if TYPE_CHECKING:
    from isthmus.library import (
        Answered,
        Delivery,
        Given,
        House,
        Imported,
        Integration,
        Integrations,
        LogEntry,
        Metrics,
        Offered,
        Source,
        Subscription,
        Told,
        Trial,
        Webhooks,
        When,
        open_house,
    )

__version__ = VERSION

__all__ = [
    "Answered",
    "Delivery",
    "Given",
    "House",
    "Imported",
    "Integration",
    "Integrations",
    "LogEntry",
    "Metrics",
    "Offered",
    "Source",
    "Subscription",
    "Told",
    "Trial",
    "Webhooks",
    "When",
    "__version__",
    "open_house",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        library = import_module("isthmus.library")
    except ModuleNotFoundError as missing:
        raise ImportError(f"isthmus.{name} needs the server's packages: pip install 'isthmus[server]'") from missing
    found: object = getattr(library, name)
    return found
