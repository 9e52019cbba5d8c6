"""Connections to platforms, and the one way to call them: the door of the room."""

from isthmus.features.connections.errors import (
    ConnectionExpired,
    ConnectionNotFound,
    ConnectionPending,
    IntegrationChangedMeanwhile,
    IntegrationDisabled,
    IntegrationNotConnected,
    IntegrationNotFound,
    NotForYou,
    PersonRequired,
    ShardTypeForbidden,
    UserScopeDenied,
)
from isthmus.features.connections.events import Cleared, Connected, Created, Disconnected, Expired, Uncertain
from isthmus.features.connections.model.connection import Connection, Filters, Held, Status
from isthmus.features.connections.model.integration import Facts, Integration, Reach, Wanted, lifecycle
from isthmus.features.connections.model.recording import Entry as LogEntry
from isthmus.features.connections.model.recording import Hour as CallCounts
from isthmus.features.connections.model.recording import Level as LogLevel
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.service.desks import desk, in_use
from isthmus.features.connections.service.files import Imported, Members, export, import_one
from isthmus.features.connections.service.finishing import redeem
from isthmus.features.connections.service.hosts import HostFull
from isthmus.features.connections.service.integrations import (
    activate,
    change,
    create,
    deactivate,
    integration,
    integrations,
    remove,
)
from isthmus.features.connections.service.leaving import credential
from isthmus.features.connections.service.locating import holders
from isthmus.features.connections.service.managing import (
    Trial,
    connections,
    disconnect,
    return_origins,
    set_return_origins,
    test,
)
from isthmus.features.connections.service.reaching import (
    Used,
    allows,
    awaits_another,
    awaits_sign_in,
    check_person,
    check_type,
    check_writing,
    reach,
    use,
)
from isthmus.features.connections.service.recording import calls as call_log
from isthmus.features.connections.service.recording import hours as call_hours
from isthmus.features.connections.service.sessions import account_of, session
from isthmus.features.connections.service.starting import (
    Consent,
    Started,
    connect_integration,
    of_integration,
    reconnect,
    start,
)
from isthmus.features.connections.service.starting import get as connection
from isthmus.features.connections.settings import Settings

__all__ = [
    "CallCounts",
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
    "Facts",
    "Filters",
    "Held",
    "HostFull",
    "Imported",
    "Integration",
    "IntegrationChangedMeanwhile",
    "IntegrationDisabled",
    "IntegrationNotConnected",
    "IntegrationNotFound",
    "LogEntry",
    "LogLevel",
    "Members",
    "NotForYou",
    "PersonRequired",
    "Reach",
    "Settings",
    "ShardTypeForbidden",
    "Started",
    "Status",
    "Trial",
    "Uncertain",
    "Used",
    "UserScopeDenied",
    "Wanted",
    "account_of",
    "activate",
    "allows",
    "awaits_another",
    "awaits_sign_in",
    "call_hours",
    "call_log",
    "change",
    "check_person",
    "check_type",
    "check_writing",
    "connect_integration",
    "connection",
    "connections",
    "create",
    "credential",
    "deactivate",
    "desk",
    "disconnect",
    "export",
    "holders",
    "import_one",
    "in_use",
    "integration",
    "integrations",
    "lifecycle",
    "of_integration",
    "reach",
    "reconnect",
    "redeem",
    "remove",
    "return_origins",
    "session",
    "set_return_origins",
    "start",
    "test",
    "use",
]
