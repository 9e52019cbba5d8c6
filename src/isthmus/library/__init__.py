"""Isthmus inside a Python service: `Integrations` and `Webhooks` on the same services as the HTTP API."""

from isthmus.features.webhooks_in import Delivery, Told
from isthmus.library.integrations import Changes, Integration, Integrations, Metrics
from isthmus.library.opening import Given, House, open_house
from isthmus.library.webhooks import Answered, Offered, Webhooks, When

__all__ = [
    "Answered",
    "Changes",
    "Delivery",
    "Given",
    "House",
    "Integration",
    "Integrations",
    "Metrics",
    "Offered",
    "Told",
    "Webhooks",
    "When",
    "open_house",
]
