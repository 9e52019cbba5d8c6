"""Outbound webhooks: a tenant's endpoints, and every public event delivered to them at least once."""

from isthmus.features.webhooks_out.model import Catalogue as Catalogue
from isthmus.features.webhooks_out.service.sending import Sender as Sender
from isthmus.features.webhooks_out.settings import Settings as Settings
