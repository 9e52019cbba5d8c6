"""How the parts of a deployment are put together from its settings."""

from typing import cast

import pytest

from isthmus.app import SECTIONS
from isthmus.app.parts import parts
from isthmus.client import BudgetRule, Grant
from isthmus.engine.db import Database
from isthmus.engine.keys import KeyRing
from isthmus.engine.keys.sources import master_key
from isthmus.engine.presence import Presence
from isthmus.features import catalog, connections
from isthmus.settings import load

BOUND = "http://127.0.0.1:8080"


class NoBudget:
    """Nothing is called here."""

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        raise AssertionError(key, wanted, rule)


@pytest.mark.parametrize(
    ("said", "used"),
    [({}, BOUND), ({"ISTHMUS_CONNECTIONS__PUBLIC_URL": "https://shop.example"}, "https://shop.example")],
)
def test_browsers_come_back_to_the_configured_address_before_the_bound_one(said: dict[str, str], used: str) -> None:
    ring = KeyRing([master_key(bytes(32))], ["a test"])
    made = parts(
        load(SECTIONS, said), lambda: ring, catalog.Providers({}), NoBudget(), Presence(cast("Database", None)), BOUND
    )
    settings = made[connections.Settings]
    assert isinstance(settings, connections.Settings)
    assert settings.public_url == used
