"""`isthmus.library.Webhooks`: functions by pattern inside a service, and an intake for any web framework."""

import asyncio
import hmac
import json
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
        async with asyncio.timeout(60):
            while True:
                if (await hooks.events(1))[0].state == "ignored":
                    break
                await asyncio.sleep(0.05)
    with pytest.raises(RuntimeError, match="closed"):
        await hooks.receive(token, body, headers)
    assert [(one.event, one.payload, one.attempt) for one in told] == [("github.issues", {"action": "opened"}, 1)]
