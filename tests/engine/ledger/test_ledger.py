"""Idempotency keys: one effect per key, whatever repeats, races or dies."""

import asyncio
import signal
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.house_database import Copy

from isthmus.engine import ledger
from isthmus.engine.db import Database
from isthmus.engine.ledger import Answer, AnswerLost, Claim, KeyInUse, KeyReused, TooManyKeys
from isthmus.kit.errors import Invalid

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def claim(
    key: str, *, tenant: str = "ten_a", principal: str = "user:x", route: str = "POST /a", body: bytes = b"{}"
) -> Claim:
    return ledger.claim(tenant, principal, route, key, [b"POST", b"/a", b"", body])


@pytest.fixture(scope="module")
async def effects(copied: Copy, database: Database) -> Database:
    """A table that counts how often something took effect."""
    owner = await asyncpg.connect(copied.owner_url)
    await owner.execute("create table effects (name text); grant select, insert on effects to isthmus_tenant")
    await owner.close()
    return database


async def _act(database: Database, wanted: Claim, *, now: datetime = NOW, settled: bool = True) -> Answer | None:
    async with database.tenant(wanted.tenant_id) as tx:
        known = await ledger.reserve(tx, wanted, now)
        if known is not None:
            return known
        await tx.execute_sql("insert into effects (name) values ($1)", wanted.key)
        if settled:
            assert await ledger.settle(tx, wanted, Answer(201, b'{"id":1}', {"location": "/a/1"}))
    return None


async def _count(database: Database, key: str) -> int:
    async with database.tenant("ten_a") as tx:
        rows = await tx.fetch_sql("select count(*) from effects where name = $1", key)
    return int(rows[0][0])


async def test_ID_03_twenty_parallel_duplicates_have_one_effect(effects: Database) -> None:
    answers = await asyncio.gather(*(_act(effects, claim("parallel")) for _ in range(20)))
    assert await _count(effects, "parallel") == 1
    assert answers.count(None) == 1
    assert answers.count(Answer(201, b'{"id":1}', {"location": "/a/1"})) == 19


async def test_ID_03_a_rollback_frees_the_key(effects: Database) -> None:
    with pytest.raises(LookupError):
        async with effects.tenant("ten_a") as tx:
            assert await ledger.reserve(tx, claim("undone"), NOW) is None
            await tx.execute_sql("insert into effects (name) values ('undone')")
            raise LookupError
    assert await _act(effects, claim("undone")) is None
    assert await _count(effects, "undone") == 1


async def test_ID_03_a_session_that_dies_in_between_frees_the_key(copied: Copy, effects: Database) -> None:
    """As after kill -9: the server notices the dead peer and undoes the reservation with the effect."""
    dying = await Database.connect(copied.url, size=1)
    opening = dying.tenant("ten_a")
    tx = await opening.__aenter__()
    assert await ledger.reserve(tx, claim("died"), NOW) is None
    await tx.execute_sql("insert into effects (name) values ('died')")
    dying.pool.terminate()
    async with asyncio.timeout(30):
        assert await _act(effects, claim("died")) is None
    assert await _count(effects, "died") == 1


_KILLED = """
import asyncio, sys
from datetime import UTC, datetime
from isthmus.engine import ledger
from isthmus.engine.db import Database

async def main():
    database = await Database.connect(sys.argv[1], size=1)
    wanted = ledger.claim("ten_a", "user:x", "POST /a", sys.argv[2], [b"POST", b"/a", b"", b"{}"])
    async with database.tenant("ten_a") as tx:
        assert await ledger.reserve(tx, wanted, datetime(2026, 3, 1, tzinfo=UTC)) is None
        await tx.execute_sql("insert into effects (name) values ($1)", sys.argv[2])
        if sys.argv[3] == "before":
            print("now", flush=True)
            await asyncio.sleep(600)
    print("now", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_ID_03_a_process_that_is_killed_frees_the_key_unless_its_effect_is_there(
    copied: Copy, effects: Database, moment: str
) -> None:
    """kill -9 before the commit: the retry works. Behind it: the retry hears that it took effect, and repeats none."""
    key = f"killed-{moment}"
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, copied.url, key, moment, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    async with asyncio.timeout(60):
        assert await worker.stdout.readline() == b"now\n"
    worker.kill()
    assert await worker.wait() == -signal.SIGKILL
    async with asyncio.timeout(30):
        if moment == "before":
            assert await _act(effects, claim(key)) is None
        else:
            with pytest.raises(AnswerLost):
                await _act(effects, claim(key))
    assert await _count(effects, key) == 1


async def test_a_duplicate_of_a_request_that_takes_long_is_told_to_come_back(effects: Database) -> None:
    first = effects.tenant("ten_a")
    tx = await first.__aenter__()
    assert await ledger.reserve(tx, claim("long"), NOW) is None
    with pytest.raises(KeyInUse) as caught:
        async with effects.tenant("ten_a") as second:
            await ledger.reserve(second, claim("long"), NOW, patience=0.05)
    assert caught.value.retry_after == 1.0
    await first.__aexit__(None, None, None)


async def test_ID_01_the_same_key_of_another_tenant_user_or_route_is_another_key(effects: Database) -> None:
    for wanted in (
        claim("shared"),
        claim("shared", tenant="ten_b"),
        claim("shared", principal="user:y"),
        claim("shared", route="POST /b"),
    ):
        assert await _act(effects, wanted) is None


async def test_ID_02_another_request_with_the_same_key_is_refused(effects: Database) -> None:
    assert await _act(effects, claim("reused")) is None
    with pytest.raises(KeyReused):
        await _act(effects, claim("reused", body=b'{"a":1}'))


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "tab\t", "ünicode", "nul\0"])
def test_ID_01_a_key_has_one_to_255_visible_characters(key: str) -> None:
    with pytest.raises(Invalid):
        claim(key)


async def test_ID_04_server_errors_and_refusals_by_limits_are_not_replayed(effects: Database) -> None:
    assert await _act(effects, claim("errors"), settled=False) is None
    async with effects.tenant("ten_a") as tx:
        assert not await ledger.settle(tx, claim("errors"), Answer(503))
        assert not await ledger.settle(tx, claim("errors"), Answer(429))
    with pytest.raises(AnswerLost):
        await _act(effects, claim("errors"))
    async with effects.tenant("ten_a") as tx:
        assert await ledger.settle(tx, claim("errors"), Answer(422, b"{}"))
    assert await _act(effects, claim("errors")) == Answer(422, b"{}")
    assert await _count(effects, "errors") == 1


async def test_ID_06_a_large_answer_is_not_kept_and_old_keys_are_swept(effects: Database) -> None:
    assert await _act(effects, claim("large"), settled=False) is None
    async with effects.tenant("ten_a") as tx:
        await ledger.settle(tx, claim("large"), Answer(200, b"x" * (ledger.LARGEST_ANSWER + 1)))
    with pytest.raises(AnswerLost) as caught:
        await _act(effects, claim("large"))
    assert caught.value.details == {"status": 200}
    later = NOW + timedelta(hours=24, seconds=1)
    assert await _act(effects, claim("large"), now=later) is None
    assert await _count(effects, "large") == 2
    async with effects.system() as tx:
        assert await ledger.sweep(tx, later) > 0
        assert await ledger.sweep(tx, later) == 0
    assert await _act(effects, claim("large"), now=later) is not None


async def test_ID_06_a_tenant_has_so_many_keys_a_day_and_no_more_whatever_it_sends(
    effects: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same request each time, or another: what is counted does not depend on it."""
    monkeypatch.setattr("isthmus.engine.ledger.ledger.KEYS_PER_TENANT", 100)
    made = 0

    async def take(number: int, now: datetime = NOW) -> Answer | None:
        body = b"{}" if number % 2 else b"%d" % number
        return await _act(effects, claim(f"many-{number}", tenant="ten_many", body=body), now=now)

    with pytest.raises(TooManyKeys) as caught:
        for made in range(300):
            assert await take(made) is None
    assert 100 <= made <= 100 + 64
    assert caught.value.status == 429
    for number in range(made, made + 70):
        with pytest.raises(TooManyKeys):
            await take(number)
    assert await _count(effects, f"many-{made}") == 0, "what was refused has no effect"
    assert await take(made - 1) == Answer(201, b'{"id":1}', {"location": "/a/1"}), "a known one is answered"
    assert await _act(effects, claim("many-0")) is None, "others are not held up"
    later = NOW + timedelta(hours=25)
    with pytest.raises(TooManyKeys):
        await take(1000, NOW + timedelta(minutes=2))
    async with effects.system() as tx:
        assert await ledger.sweep(tx, later) >= 100
    assert await take(1001, later) is None


@pytest.mark.proof
async def test_ID_06_a_million_keys_are_swept_bit_by_bit_and_nobody_waits_meanwhile(
    copied: Copy, effects: Database
) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute(
        "insert into idempotency_keys (tenant_id, principal, route, key, fingerprint, created_at, status, headers, "
        "body) select 'ten_' || n % 20, 'user:x', 'POST /a', 'key-' || n, sha256(n::text::bytea), $1, 201, '{}', '1' "
        "from generate_series(1, 1000000) n",
        NOW,
    )
    await admin.execute("analyze idempotency_keys")
    assert await _act(effects, claim("beside-a-million")) is None
    assert await _act(effects, claim("beside-a-million")) is not None
    rows = await admin.fetch("explain " + ledger.ledger._SWEEP.replace("$1", "now()").replace("$2", "5000"))
    assert "Index" in " ".join(row[0] for row in rows)
    later, swept, rounds = NOW + timedelta(hours=24, seconds=1), 0, 0
    while True:
        async with effects.system() as tx:
            gone = await ledger.sweep(tx, later)
        if not gone:
            break
        swept, rounds = swept + gone, rounds + 1
        assert gone <= 5_000
        if rounds % 50 == 0:
            assert await _act(effects, claim(f"meanwhile-{rounds}"), now=later) is None
    assert swept >= 1_000_000
    assert await admin.fetchval("select count(*) from idempotency_keys where created_at <= $1", NOW) == 0
    await admin.close()
