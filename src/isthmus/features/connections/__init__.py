"""Connections to platforms, and the one way to call them: the door of the room."""

from isthmus.features.connections.errors import (
    ConnectionExpired,
    ConnectionNotFound,
    ConnectionPending,
    IntegrationNotFound,
)
from isthmus.features.connections.events import Cleared, Connected, Created, Disconnected, Expired, Uncertain
from isthmus.features.connections.model.connection import Connection, Filters, Status
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.service.finishing import redeem
from isthmus.features.connections.service.locating import holder
from isthmus.features.connections.service.managing import (
    Trial,
    connections,
    disconnect,
    return_origins,
    set_return_origins,
    test,
)
from isthmus.features.connections.service.sessions import account_of, session
from isthmus.features.connections.service.starting import Consent, Started, reconnect, start
from isthmus.features.connections.service.starting import get as connection
from isthmus.features.connections.settings import Settings

__all__ = [
    "Cleared",
    "Clients",
    "Connected",
    "Connection",
    "ConnectionExpired",
    "ConnectionNotFound",
    "ConnectionPending",
    "Consent",
    "Created",
    "Disconnected",
    "Expired",
    "Filters",
    "IntegrationNotFound",
    "Settings",
    "Started",
    "Status",
    "Trial",
    "Uncertain",
    "account_of",
    "connection",
    "connections",
    "disconnect",
    "holder",
    "reconnect",
    "redeem",
    "return_origins",
    "session",
    "set_return_origins",
    "start",
    "test",
]
