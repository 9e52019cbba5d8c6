"""Inbound webhooks: verified, kept before they are answered, and worked off as hints."""

from isthmus.features.webhooks_in.model.deliveries import Delivery as Delivery
from isthmus.features.webhooks_in.model.handling import OrderedBy as OrderedBy
from isthmus.features.webhooks_in.model.inbound import Inbound as Inbound
from isthmus.features.webhooks_in.model.signing import request as request
from isthmus.features.webhooks_in.model.signing import sign as sign
from isthmus.features.webhooks_in.model.verifying import LiveSecret as LiveSecret
from isthmus.features.webhooks_in.model.verifying import verify as verify
from isthmus.features.webhooks_in.service.handlers import Handler as Handler
from isthmus.features.webhooks_in.service.handlers import Handlers as Handlers
from isthmus.features.webhooks_in.service.handlers import Told as Told
from isthmus.features.webhooks_in.service.intake import front as front
from isthmus.features.webhooks_in.service.looking import Filters as Filters
from isthmus.features.webhooks_in.service.looking import deliveries as deliveries
from isthmus.features.webhooks_in.service.looking import delivery as delivery
from isthmus.features.webhooks_in.service.looking import retry as retry
from isthmus.features.webhooks_in.service.managing import Seen as Seen
from isthmus.features.webhooks_in.service.managing import Wanted as Wanted
from isthmus.features.webhooks_in.service.managing import add as add
from isthmus.features.webhooks_in.service.managing import remove as remove
from isthmus.features.webhooks_in.service.managing import sources as sources
from isthmus.features.webhooks_in.service.marks import Marks as Marks
from isthmus.features.webhooks_in.service.offering import functions as functions
from isthmus.features.webhooks_in.service.offering import retire_named as retire_named
from isthmus.features.webhooks_in.service.offering import settle as settle
from isthmus.features.webhooks_in.service.waking import CALL as CALL
