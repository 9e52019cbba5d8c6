"""A provider that another process made at run time is known wherever its news are worked off."""

import pytest
from tests.given import catalog as given
from tests.given import vault as house
from tests.given.webhooks_in import world

from isthmus.engine.db import Database
from isthmus.features import catalog
from isthmus.features.connections.model.connection import Connection, Status
from isthmus.features.connections.service import leaving
from isthmus.features.webhooks_in.errors import PushesNothing
from isthmus.features.webhooks_in.model.handling import Subject
from isthmus.features.webhooks_in.service import obeying, shops, simulating
from isthmus.features.webhooks_in.service.acting import Job
from isthmus.features.webhooks_in.store.subscriptions import Place
from isthmus.kit.clock import SYSTEM
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

TEN = "ten_declared"


@pytest.fixture(scope="module")
async def elsewhere(database: Database) -> Scope:
    """A process that has not met the provider yet."""
    maker = world(database)
    await catalog.create_provider(house.platform(maker.system), given.document("declared"))
    return world(database).scope(TEN)


def fresh(database: Database) -> Scope:
    return world(database).scope(TEN)


def connection() -> Connection:
    now = SYSTEM.now()
    return Connection(
        "con_declared", "int_declared", "Declared", "declared", "api_key", "none-declared", Status.CONNECTED,
        None, None, {}, None, 0, None, None, None, now, now,
    )  # fmt: skip


async def test_news_in_the_name_of_the_law_are_judged(elsewhere: Scope) -> None:
    subject = Subject(
        id="inb_1", source_id="src_1", connection_id=None, provider="declared", event="privacy.unheard_of", topic="x",
        entity="", object="", account="", simulated=False,
    )  # fmt: skip
    assert (await obeying.obey(elsewhere, [Job(subject, 1, {})]))["inb_1"].kind == "ignored"


async def test_what_was_never_set_up_at_a_shop_is_taken_away_at_once(database: Database, elsewhere: Scope) -> None:
    assert await leaving.leave(fresh(database), connection()) is True


async def test_nobody_is_asked_shop_by_shop_who_takes_no_such_question(database: Database, elsewhere: Scope) -> None:
    assert await shops.want(fresh(database), connection(), None) is None
    await shops.compare(fresh(database), Place(TEN, "declared", "con_declared"), None)


async def test_a_provider_without_pushes_cannot_be_simulated_and_an_unknown_one_is_not_found(
    database: Database, elsewhere: Scope
) -> None:
    with pytest.raises(PushesNothing):
        await simulating.of_provider(fresh(database), "declared", Secret("k"), {})
    with pytest.raises(catalog.ProviderNotFound):
        await simulating.of_provider(fresh(database), "never_made", Secret("k"), {})
