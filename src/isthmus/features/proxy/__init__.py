"""Calls of a tenant's own back end to the platforms it has connected."""

from isthmus.features.proxy.service import Lines as Lines
from isthmus.features.proxy.settings import Settings as Settings
