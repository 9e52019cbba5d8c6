"""Isthmus inside a Python service: `Integrations` and `Webhooks` on the same services as the HTTP API."""

from isthmus.features.connections import Imported, LogEntry, Trial
from isthmus.features.webhooks_in import Delivery, Told
from isthmus.library.integrations import Changes, Integration, Integrations, Metrics
from isthmus.library.opening import Given, House, open_house
from isthmus.library.webhooks import Answered, Offered, Source, Subscription, Webhooks, When

__all__ = [
    "Answered",
    "Changes",
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
    "open_house",
]
