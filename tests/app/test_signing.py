"""A deployment mints tokens with its own development key alone (security.md JT-11)."""

import pytest

from isthmus.app.keys import NoDevelopmentKey, Signing
from isthmus.http import Credentials, SharedKey, TokenAuthenticator, own_issuer
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import TENANT_ADMIN
from isthmus.kit.secret import Secret
from isthmus.settings import KeySettings


async def test_JT_11_tokens_are_minted_with_the_development_key_alone() -> None:
    clock, key = ManualClock(), SharedKey(Secret("d" * 40))
    given = KeySettings(hs256=Secret("k" * 40))
    with pytest.raises(NoDevelopmentKey):
        Signing([], given).mint("ten_a", "developer", [TENANT_ADMIN], 1.0, clock)
    minted = Signing([], given, key).mint("ten_a", "developer", [TENANT_ADMIN], 1.0, clock)
    door = TokenAuthenticator([own_issuer(key, name=given.issuer, audience=given.audience)], clock)
    found = await door.verify(Credentials("bearer", minted.reveal()))
    assert found is not None
    assert found.principal.tenant_id == "ten_a"
    assert found.principal.roles == {TENANT_ADMIN}
