"""`isthmus.library.Webhooks`: functions by pattern inside a service, and an intake for any web framework."""

import asyncio
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.house_database import Copy

from isthmus.features.webhooks_in import Told
from isthmus.kit.errors import Invalid, NotFound
from isthmus.library import Given, Webhooks, When, open_house

MASTER = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
SECRET = "a secret of this test"


async def test_a_function_is_told_of_what_the_intake_took(copied: Copy, tmp_path: Path) -> None:
    told: list[Told] = []
    done = asyncio.Event()
    direct = {"ISTHMUS_DATABASE_DIRECT_URL": copied.owner_url}
    given = Given(database_url=copied.url, home=tmp_path, master_key=MASTER, settings=direct)
    async with open_house(given) as house:
        hooks = Webhooks(house)

        @hooks.on("github.issues", when=When(retries=(timedelta(seconds=1),)))
        async def on_issue(one: Told) -> None:
            told.append(one)
            done.set()

        with pytest.raises(ValueError, match="already"):
            hooks.on("github.*", name="on_issue")(on_issue)
        token = (await hooks.add_source("github", secret=SECRET)).rpartition("/")[2]
        body = json.dumps({"action": "opened"}).encode()
        mark = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
        headers = {"X-Hub-Signature-256": mark, "X-GitHub-Event": "issues", "X-GitHub-Delivery": "1"}
        assert (await hooks.receive(token, body, headers)).status == 200
        assert (await hooks.receive(token, body, {})).status == 401
        assert (await hooks.receive(token, b"x" * 2_000_000, headers)).status == 413
        async with asyncio.timeout(60):
            await done.wait()
        (seen,) = await hooks.events(event="github.issues")
        assert (seen.provider, seen.event) == ("github", "github.issues")
        whole = await hooks.event(seen.id)
        assert (whole.id, whole.body, whole.headers["x-github-event"]) == (seen.id, body, "issues")
        with pytest.raises(NotFound):
            await hooks.event("inb_none")
        assert await hooks.events(event="github.push") == []
        with pytest.raises(NotFound):
            await hooks.retry("inb_none")
        for limit in (-1, 0, 101):
            with pytest.raises(Invalid):
                await hooks.events(limit)
        assert hooks.off("on_issue") is True
        assert hooks.off("on_issue") is False
        again = {**headers, "X-GitHub-Delivery": "2"}
        assert (await hooks.receive(token, body, again)).status == 200
        await _until(hooks, "waiting")
        (left,) = await hooks.functions()
        assert (left.name, left.pattern, left.waiting) == ("on_issue", "github.issues", 1)
        await hooks.retire("on_issue")
        await _until(hooks, "ignored")
        assert await hooks.functions() == []
        with pytest.raises(NotFound):
            await hooks.retire("on_issue")
    with pytest.raises(RuntimeError, match="closed"):
        await hooks.receive(token, body, headers)
    assert [(one.event, one.payload, one.attempt) for one in told] == [("github.issues", {"action": "opened"}, 1)]


async def _until(hooks: Webhooks, state: str, count: int = 1) -> None:
    """Wait until the newest deliveries stand there."""
    async with asyncio.timeout(60):
        while True:
            if [one.state for one in await hooks.events(count)] == [state] * count:
                return
            await asyncio.sleep(0.05)


def _pushes(count: int) -> list[tuple[bytes, dict[str, str]]]:
    made = []
    for number in range(count):
        body = json.dumps({"number": number}).encode()
        mark = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
        headers = {"X-Hub-Signature-256": mark, "X-GitHub-Event": "issues", "X-GitHub-Delivery": str(number)}
        made.append((body, headers))
    return made


@pytest.mark.parametrize("work", [True, False])
async def test_functions_of_a_service_get_all_that_comes_in_beside_a_process_that_knows_none(
    copied: Copy, tmp_path: Path, work: bool
) -> None:
    """The other one is whole, as `isthmus up` is: it plans and works off what the service does not."""
    told: list[int] = []
    done = asyncio.Event()
    given = Given(
        database_url=copied.url,
        home=tmp_path,
        master_key=MASTER,
        settings={"ISTHMUS_DATABASE_DIRECT_URL": copied.owner_url},
    )
    async with open_house(given) as beside, open_house(replace(given, work=work)) as house:
        hooks = Webhooks(house)

        @hooks.on("github.issues")
        async def on_issue(one: Told) -> None:
            told.append(one.payload["number"])
            if len(told) == 40:
                done.set()

        address = await hooks.add_source("github", secret=SECRET)
        front = Webhooks(beside)
        for body, headers in _pushes(40):
            assert (await front.receive(address.rpartition("/")[2], body, headers)).status == 200
        async with asyncio.timeout(60):
            await done.wait()
        await _until(hooks, "done", 40)
        assert sorted(told) == list(range(40))


async def test_what_comes_in_while_no_process_has_the_function_waits_for_one_that_has(
    copied: Copy, tmp_path: Path
) -> None:
    told: list[int] = []
    done = asyncio.Event()

    async def on_issue(one: Told) -> None:
        told.append(one.payload["number"])
        if len(told) == 5:
            done.set()

    given = Given(
        database_url=copied.url,
        home=tmp_path,
        master_key=MASTER,
        settings={"ISTHMUS_DATABASE_DIRECT_URL": copied.owner_url},
    )
    async with open_house(given) as beside:
        async with open_house(given) as house:
            hooks = Webhooks(house)
            hooks.on("github.issues")(on_issue)
            token = (await hooks.add_source("github", secret=SECRET)).rpartition("/")[2]
        front = Webhooks(beside)
        for body, headers in _pushes(5):
            assert (await front.receive(token, body, headers)).status == 200
        await _until(front, "waiting", 5)
        assert told == []
        async with open_house(replace(given, work=False)) as house:
            Webhooks(house).on("github.issues")(on_issue)
            async with asyncio.timeout(60):
                await done.wait()
            await _until(front, "done", 5)
    assert sorted(told) == list(range(5))


async def test_addresses_that_events_are_delivered_to_are_listed_and_ended(copied: Copy, tmp_path: Path) -> None:
    settings = {"ISTHMUS_DATABASE_DIRECT_URL": copied.owner_url}
    given = Given(database_url=copied.url, home=tmp_path, master_key=MASTER, settings=settings, work=False)
    async with open_house(given) as house:
        hooks = Webhooks(house)
        url = "https://localhost/hook"
        assert (await hooks.subscribe(url, ["sync.completed"])).startswith("whsec_")
        (one,) = await hooks.subscriptions()
        assert (one.url, one.types, one.state) == (url, ("sync.completed",), "unverified")
        await hooks.unsubscribe(one.id)
        assert await hooks.subscriptions() == []
        with pytest.raises(NotFound):
            await hooks.unsubscribe(one.id)


async def test_what_comes_in_before_its_function_can_be_written_down_is_to_come_again(
    copied: Copy, tmp_path: Path
) -> None:
    settings = {"ISTHMUS_DATABASE_DIRECT_URL": copied.owner_url}
    given = Given(database_url=copied.url, home=tmp_path, master_key=MASTER, settings=settings, work=False)
    async with open_house(given) as house:
        hooks = Webhooks(house)
        token = (await hooks.add_source("github", secret=SECRET)).rpartition("/")[2]
        ((body, headers),) = _pushes(1)

        with pytest.raises(TypeError, match="pattern"):
            hooks.on(_pushes)  # type: ignore[arg-type] # the parentheses were forgotten
        with pytest.raises(TypeError, match="async def _pushes"):
            hooks.on("github.issues")(_pushes)  # type: ignore[arg-type] # a slip

        @hooks.on("github.issues")
        async def late(_: Told) -> None:
            """Nobody knows it yet."""

        await house.platform.engine.database.close()
        assert (await hooks.receive(token, body, headers)).status == 503
