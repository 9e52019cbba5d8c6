"""What this room does by itself."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.connections.service import (
    connecting,
    finishing,
    integrations,
    keeping,
    personal,
    revoking,
    trying,
)
from isthmus.scope import Scope, System


async def sweep(system: System) -> None:
    """Remove consents that ran out."""
    await finishing.sweep(system)
    await connecting.sweep(system)


async def purge(scope: Scope, integration_id: str) -> None:
    """Remove records that may not be shown any more."""
    await integrations.purge(scope, integration_id)


async def depart(scope: Scope, user_id: str) -> None:
    """End the connections of somebody who was removed."""
    await personal.depart(scope, user_id)


async def member_removed(tx: Tx, event: Mapping[str, Any]) -> None:
    """Somebody left: nothing goes through what they connected."""
    await personal.departed(tx, event["tenant_id"], event["subject"])


async def maker_changed(tx: Tx, event: Mapping[str, Any]) -> None:
    """Somebody left, has other roles, or a key is gone: nobody connects by what they began."""
    kind = "key" if event["type"] == "api_key.revoked" else "user"
    await connecting.withdraw(tx, event["tenant_id"], kind, event["subject"])


async def synced(tx: Tx, event: Mapping[str, Any]) -> None:
    """A run read everything: its integration was synced."""
    await integrations.synced(tx, event["tenant_id"], event["body"]["connectionId"], event["at"])


async def test(scope: Scope, connection_id: str) -> None:
    """The scheduled test of one connection."""
    await trying.try_when_due(scope, connection_id)


async def revoke(scope: Scope, revocation_id: str) -> None:
    """Tell the platform again that a grant is over."""
    await revoking.try_again(scope, revocation_id)


async def renew(scope: Scope, connection_id: str) -> None:
    """Use a refresh token before it ends."""
    await keeping.keep(scope, connection_id)


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A consent ended well: the connect session that began it is used up."""
    await connecting.finished(tx, event["tenant_id"], event["subject"])
