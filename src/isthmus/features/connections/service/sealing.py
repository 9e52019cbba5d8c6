"""Tokens and keys between the vault and the rows: each sealed value is bound to connection, field and generation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from isthmus.client import Tokens
from isthmus.features import vault
from isthmus.features.connections.store import tokens as store
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx

_NOTHING = Secret("")


def access_field(version: int) -> str:
    """The place of the access token of one generation."""
    return f"access_token/{version}"


def refresh_field(version: int) -> str:
    """The place of the refresh token of one generation."""
    return f"refresh_token/{version}"


def keys_field(version: int) -> str:
    """The place of the credentials of one generation."""
    return f"credentials/{version}"


async def seal_tokens(scope: Scope, tx: Tx, connection_id: str, version: int, tokens: Tokens) -> store.Sealed:
    """One pair, sealed for generation `version`."""
    text = Secret(json.dumps({"token": tokens.access_token.reveal(), "extra": dict(tokens.extra)}))
    access = await vault.seal(scope, tx, text, owner=connection_id, field=access_field(version))
    refresh = None
    if tokens.refresh_token is not None:
        field = refresh_field(version)
        refresh = await vault.seal(scope, tx, tokens.refresh_token, owner=connection_id, field=field)
    return store.Sealed(
        access=access,
        refresh=refresh,
        expires_at=tokens.expires_at,
        refresh_expires_at=tokens.refresh_expires_at,
        scope=tokens.scope,
    )


async def open_tokens(scope: Scope, tx: Tx, connection_id: str, held: store.Held) -> Tokens:
    """The stored pair."""
    version = held.state.version
    token, extra, refresh = _NOTHING, {}, None
    if held.access is not None:
        text = await vault.open(scope, tx, held.access, owner=connection_id, field=access_field(version))
        data = json.loads(text.reveal())
        token, extra = Secret(data["token"]), data["extra"]
    if held.refresh is not None:
        refresh = await vault.open(scope, tx, held.refresh, owner=connection_id, field=refresh_field(version))
    return Tokens(token, refresh, held.expires_at, held.refresh_expires_at, held.scope, version, extra)


async def open_previous(scope: Scope, tx: Tx, connection_id: str, held: store.Held) -> Secret | None:
    """The refresh token before the present one, while the present pair has not worked yet."""
    if held.previous is None:
        return None
    field = refresh_field(held.state.version - 1)
    return await vault.open(scope, tx, held.previous, owner=connection_id, field=field)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a connection, and those they replaced while both may be known at the far side."""

    now: Mapping[str, Secret] = field(default_factory=dict)
    before: Mapping[str, Secret] = field(default_factory=dict)
    #: They are traded for tokens, which are stored as those of a consent are.
    traded: bool = False


NONE = Keys()


async def seal_keys(scope: Scope, tx: Tx, connection_id: str, version: int, keys: Mapping[str, Secret]) -> store.Sealed:
    """Keys, or user name and password, sealed for generation `version`."""
    sealed = await vault.seal(scope, tx, text_of(keys), owner=connection_id, field=keys_field(version))
    return store.Sealed(credentials=sealed)


async def seal_traded(
    scope: Scope, tx: Tx, connection_id: str, version: int, keys: Mapping[str, Secret], tokens: Tokens
) -> store.Sealed:
    """A token and the keys that give the next one; these stand where a consent has its refresh token."""
    return await seal_tokens(scope, tx, connection_id, version, replace(tokens, refresh_token=text_of(keys)))


def text_of(keys: Mapping[str, Secret]) -> Secret:
    """Keys as one text."""
    return Secret(json.dumps({name: secret.reveal() for name, secret in keys.items()}))


def keys_of(text: Secret) -> dict[str, Secret]:
    """The keys in a text. Raises ValueError where it holds none."""
    read = json.loads(text.reveal())
    if not isinstance(read, dict):
        raise ValueError("no keys")
    return {name: Secret(value) for name, value in read.items()}


async def open_keys(scope: Scope, tx: Tx, connection_id: str) -> Keys:
    """The stored keys of a connection without a consent."""
    found = await store.credentials(tx, connection_id)
    if found is not None and found.traded is not None:
        text = await vault.open(scope, tx, found.traded, owner=connection_id, field=refresh_field(found.version))
        return Keys(keys_of(text), traded=True)
    if found is None or found.credentials is None:
        return NONE
    now = await _opened(scope, tx, connection_id, found.credentials, found.version)
    if found.previous is None or found.previous_until is None or scope.now >= found.previous_until:
        return Keys(now)
    return Keys(now, await _opened(scope, tx, connection_id, found.previous, found.version - 1))


async def _opened(scope: Scope, tx: Tx, connection_id: str, sealed: bytes, version: int) -> dict[str, Secret]:
    return keys_of(await vault.open(scope, tx, sealed, owner=connection_id, field=keys_field(version)))


async def reseal(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal some connections under the tenant's current key; the last id, None behind the last one."""
    async with scope.tx() as tx:
        rows = await store.sealed_page(tx, after or "", limit)
        for row in rows:
            again = store.Columns(
                row.id,
                row.version,
                await _again(scope, tx, row.id, row.access, access_field(row.version)),
                await _again(scope, tx, row.id, row.refresh, refresh_field(row.version)),
                await _again(scope, tx, row.id, row.previous, refresh_field(row.version - 1)),
                await _again(scope, tx, row.id, row.credentials, keys_field(row.version)),
                await _again(scope, tx, row.id, row.replaced, keys_field(row.version - 1)),
            )
            if again != row:
                await store.update_sealed(tx, again)
    return rows[-1].id if len(rows) == limit else None


async def _again(scope: Scope, tx: Tx, owner: str, sealed: bytes | None, field: str) -> bytes | None:
    if sealed is None:
        return None
    return await vault.reseal(scope, tx, sealed, owner=owner, field=field) or sealed
