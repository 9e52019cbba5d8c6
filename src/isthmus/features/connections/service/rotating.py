"""New credentials in place of the old: tried first, and for a while both are known."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from isthmus.features import catalog
from isthmus.features.connections.errors import ConsentNeeded, WrongAccountGiven, WrongKind
from isthmus.features.connections.events import CredentialsRotated
from isthmus.features.connections.model.connection import Connection
from isthmus.features.connections.service import settling, starting
from isthmus.features.connections.service.sessions import OAUTH
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections as store
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

_CONSENT = "oauth"
_KEY, _WIRE_KEY = "api_key", "apiKey"


@dataclass(frozen=True, slots=True)
class Rotated:
    """Where the new credentials lie, and until when the old ones are tried where the new ones are refused."""

    name: str
    at: datetime
    overlap_until: datetime
    etag: str


async def rotate(scope: Scope, connection: Connection, kind: str, keys: Mapping[str, Secret]) -> Rotated:
    """Replace the credentials of a connection that was made by keys.

    Calls under way go on with the old ones; later calls take the new ones, and, until the overlap is over, the old ones
    where the far side does not know the new ones yet. Raises ConsentNeeded, WrongKind, CredentialsRefused,
    PlatformUnreachable, WrongAccountGiven, CredentialsChangedMeanwhile.
    """
    registration = await catalog.registration(scope, connection.provider)
    if connection.auth == OAUTH:
        raise ConsentNeeded
    if kind == _CONSENT:
        raise ConsentNeeded(f"This connection takes credentials of the kind {connection.auth}; a consent gives others.")
    if kind != connection.auth:
        raise WrongKind(f"This connection takes credentials of the kind {connection.auth}.")
    wanted = _named(keys, {one.name for one in registration.manifest.credential_fields})
    proven = await starting.tried_keys(scope, registration, connection, wanted)
    if connection.account_id not in (None, proven.account.id):
        raise WrongAccountGiven(details={"expected": connection.account_id, "given": proven.account.id})
    # keys that are traded are sent to nobody but the token endpoint, which has just taken the new ones
    lasts = timedelta(0) if proven.tokens is not None else scope.part(Settings).credential_overlap
    until = scope.now + lasts
    async with starting.held_by_one(), scope.tx() as tx:
        await settling.take_keys(scope, tx, registration, connection.id, proven, overlap=until)
        tx.emit(CredentialsRotated(subject=connection.id, body={"overlapUntil": until.isoformat()}))
        after = await store.by_id(tx, connection.id) or connection
    name = f"connections/{connection.id}/credentials/{connection.token_version + 1}"
    return Rotated(name, scope.now, until, after.etag)


def _named(keys: Mapping[str, Secret], fields: Collection[str]) -> Mapping[str, Secret]:
    """An API key may be called as it is where an integration is connected with one."""
    if _WIRE_KEY not in keys or _WIRE_KEY in fields or _KEY in keys:
        return keys
    return {_KEY if name == _WIRE_KEY else name: value for name, value in keys.items()}
