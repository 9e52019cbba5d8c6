"""Inbound webhooks: verified, kept before they are answered, and worked off as hints."""

from isthmus.features.webhooks_in.model.handling import OrderedBy as OrderedBy
from isthmus.features.webhooks_in.service.handlers import Handler as Handler
from isthmus.features.webhooks_in.service.handlers import Handlers as Handlers
from isthmus.features.webhooks_in.service.handlers import Told as Told
