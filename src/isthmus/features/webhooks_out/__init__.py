"""Outbound webhooks: a tenant's endpoints, and every public event delivered to them at least once."""

from isthmus.features.webhooks_out.errors import EndpointIdle as EndpointIdle
from isthmus.features.webhooks_out.errors import EndpointNotFound as EndpointNotFound
from isthmus.features.webhooks_out.model import Catalogue as Catalogue
from isthmus.features.webhooks_out.model import Draft as Draft
from isthmus.features.webhooks_out.service.daily import Daily as Daily
from isthmus.features.webhooks_out.service.dispatching import run as deliver
from isthmus.features.webhooks_out.service.endpoints import create as create
from isthmus.features.webhooks_out.service.endpoints import delete as delete
from isthmus.features.webhooks_out.service.endpoints import listing as listing
from isthmus.features.webhooks_out.service.fanning import run as fan_out
from isthmus.features.webhooks_out.service.retaining import retentions as retentions
from isthmus.features.webhooks_out.service.sampling import send_as as send_as
from isthmus.features.webhooks_out.service.sending import Answered as Answered
from isthmus.features.webhooks_out.service.sending import Sender as Sender
from isthmus.features.webhooks_out.settings import Settings as Settings

__all__ = [
    "Catalogue",
    "Draft",
    "Sender",
    "Settings",
    "create",
    "delete",
    "deliver",
    "fan_out",
    "listing",
    "retentions",
]
