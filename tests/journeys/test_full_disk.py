"""A full disk under the database, as PostgreSQL tells it: intake waits, reads go on, what was acknowledged stays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from tests.house_database import Copy
from tests.journeys.deployment import Deployment

_FULL = """
create function no_space() returns trigger language plpgsql as
  $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$
"""
_TABLES = ("sync_runs", "listings", "products", "events", "connections", "integrations")


@asynccontextmanager
async def _full(copied: Copy) -> AsyncIterator[None]:
    """Every insert fails as on a full disk."""
    admin = await asyncpg.connect(copied.admin_url)
    try:
        await admin.execute(_FULL)
        for table in _TABLES:
            await admin.execute(f"create trigger no_space before insert on {table} execute function no_space()")
        yield
    finally:
        await admin.execute("drop function no_space cascade")
        await admin.close()


async def test_RL_10_on_a_full_disk_intake_says_when_to_come_back_and_reads_go_on(
    running: Deployment, copied: Copy
) -> None:
    amy, connection = await running.owner("tiki")
    first = await amy.sync(connection)
    assert first["state"] == "succeeded"
    before = await amy.everything("/api/listings?", "items")
    async with _full(copied):
        for path, body in (
            ("/api/sync/products", {"connectionId": connection, "mode": "full"}),
            ("/api/connections", {"provider": "tiki"}),
        ):
            refused = await amy.call("POST", path, body)
            assert (refused.status, refused.body["error"]["code"]) == (503, "DATABASE_FULL")
            assert int(refused.headers["retry-after"]) > 0
            assert "No space left" not in str(refused.body)
        assert await amy.everything("/api/listings?", "items") == before
        assert (await amy.call("GET", f"/api/sync/runs/{first['id']}")).body["state"] == "succeeded"
    again = await amy.sync(connection)
    assert (again["state"], again["created"]) == ("succeeded", 0)
    assert await amy.everything("/api/listings?", "items") == before
