"""`isthmus queue`."""

from typing import cast

import pytest
from tests.given import vault as house

from isthmus.app import Platform
from isthmus.cli import queue
from isthmus.cli.operator import operator
from isthmus.engine.db import Database
from isthmus.engine.queue import PgQueue
from isthmus.kit.permissions import PLATFORM_TENANT, Principal
from isthmus.scope import Scope, System


class Open:
    """The part of an open platform that these commands use."""

    def __init__(self, system: System) -> None:
        self.system, self.engine = system, system.engine

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        return Scope(tenant_id, principal, self.engine, self.system.clock)


@pytest.fixture(scope="module")
def platform(database: Database) -> Platform:
    return cast("Platform", Open(house.process(database)))


async def test_SA_05_what_is_sent_again_stands_in_the_log_under_the_operators_name(platform: Platform) -> None:
    await queue._resent(platform, "read", "ten_b", "obj_9")
    async with platform.system.tx() as tx:
        rows = await tx.fetch_sql("select tenant_id, subject, body, audited, actor from events where body ? 'job'")
    assert [(row["tenant_id"], row["subject"], row["body"], row["audited"], row["actor"]) for row in rows] == [
        (PLATFORM_TENANT, "queue resend", {"job": "read", "tenant": "ten_b", "key": "obj_9"}, True, operator().id)
    ]


async def test_RL_06_what_is_parked_is_shown_and_sent_again_once(platform: Platform) -> None:
    work = platform.engine.queue
    assert isinstance(work, PgQueue)
    async with platform.system.tx() as tx:
        await work.enqueue(tx, "read", "obj_1", tenant_id="ten_a")
        await tx.execute_sql("update queue.pgqueuer set status = 'failed', reason = 'its worker died 3 times'")
    depths, parked = await queue._looked(platform)
    assert [(depth.job, depth.queued, depth.parked) for depth in depths] == [("read", 0, 1)]
    assert [(one.key, one.reason) for one in parked] == [("obj_1", "its worker died 3 times")]
    assert await queue._resent(platform, "read", "ten_a", "obj_1")
    assert not await queue._resent(platform, "read", "ten_a", "obj_1")
    depths, parked = await queue._looked(platform)
    assert [(depth.queued, depth.parked) for depth in depths] == [(1, 0)]
    assert parked == []
