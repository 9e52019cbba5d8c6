"""New credentials in place of the old: tried first, and for a while both are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from isthmus.features import catalog
from isthmus.features.connections.errors import ConsentNeeded, WrongAccountGiven, WrongKind
from isthmus.features.connections.events import CredentialsRotated
from isthmus.features.connections.model.connection import Connection
from isthmus.features.connections.service import settling, starting
from isthmus.features.connections.service.sessions import OAUTH
from isthmus.features.connections.settings import Settings
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

_CONSENT = "oauth"


@dataclass(frozen=True, slots=True)
class Rotated:
    """Where the new credentials lie, and until when the old ones are tried where the new ones are refused."""

    name: str
    at: datetime
    overlap_until: datetime


async def rotate(scope: Scope, connection: Connection, kind: str, keys: Mapping[str, Secret]) -> Rotated:
    """Replace the credentials of a connection that was made by keys.

    Calls under way go on with the old ones; later calls take the new ones, and, until the overlap is over, the old ones
    where the far side does not know the new ones yet. Raises ConsentNeeded, WrongKind, CredentialsRefused,
    PlatformUnreachable, WrongAccountGiven.
    """
    registration = await catalog.registration(scope, connection.provider)
    if connection.auth == OAUTH or kind == _CONSENT:
        raise ConsentNeeded
    if kind != connection.auth:
        raise WrongKind(f"This connection takes credentials of the kind {connection.auth}.")
    account, given = await starting.tried_keys(scope, registration, connection, keys)
    if connection.account_id not in (None, account.id):
        raise WrongAccountGiven(details={"expected": connection.account_id, "given": account.id})
    until = scope.now + scope.part(Settings).credential_overlap
    async with starting.held_by_one(), scope.tx() as tx:
        await settling.take_keys(scope, tx, registration, connection.id, account, given, overlap=until)
        tx.emit(CredentialsRotated(subject=connection.id, body={"overlapUntil": until.isoformat()}))
    return Rotated(f"connections/{connection.id}/credentials/{connection.token_version + 1}", scope.now, until)
