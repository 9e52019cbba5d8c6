"""Routes that will go say so in every answer, in the description and, once for each caller, in the log."""

import logging
from datetime import date
from typing import Any

import pytest
from tests.http.conftest import MakeLab

from isthmus.http import Deprecated, Routes, document
from isthmus.http.errors import CannotStart
from isthmus.kit.permissions import USER, permission

USE = permission("old:use", "use the old route", USER)
OLD = Deprecated(date(2026, 1, 1), date(2026, 7, 1), "https://docs.example.com/moving")


def routes() -> Routes:
    made = Routes(prefix="/api", tag="Old")

    @made.get("/old", permission=USE, limit="other", response_model=None, summary="Old", deprecated=OLD)
    async def old() -> Any:
        """As it was."""
        return document({})

    @made.get("/new", permission=USE, limit="other", response_model=None, summary="New")
    async def new() -> Any:
        return document({})

    return made


async def test_a_deprecated_route_says_since_when_until_when_and_what_instead(lab: MakeLab) -> None:
    here = lab(routes())
    for headers in (here.signed(), {}):
        answer = await here.call("GET", "/api/old", headers=headers)
        assert answer.headers["deprecation"] == "@1767225600"
        assert answer.headers["sunset"] == "Wed, 01 Jul 2026 00:00:00 GMT"
        assert answer.headers["link"] == '<https://docs.example.com/moving>; rel="deprecation"; type="text/html"'
    assert "deprecation" not in (await here.call("GET", "/api/new", headers=here.signed())).headers


async def test_who_still_uses_it_is_logged_once(lab: MakeLab, caplog: pytest.LogCaptureFixture) -> None:
    here = lab(routes())
    with caplog.at_level(logging.WARNING, "isthmus.http.deprecation"):
        for subject in ("usr_1", "usr_1", "usr_2", "usr_1"):
            await here.call("GET", "/api/old", headers=here.signed(subject=subject))
    assert [record.__dict__["principal"] for record in caplog.records] == ["user:isthmus:usr_1", "user:isthmus:usr_2"]
    assert caplog.records[0].__dict__["route"] == "/api/old"


async def test_the_description_marks_it(lab: MakeLab) -> None:
    paths = (await lab(routes()).call("GET", "/api/openapi.json")).json()["paths"]
    old = paths["/api/old"]["get"]
    assert old["deprecated"] is True
    assert old["x-sunset"] == "2026-07-01"
    assert old["description"].startswith("As it was.\n\nDeprecated since 2026-01-01")
    assert {"Deprecation", "Sunset"} <= old["responses"]["200"]["headers"].keys()
    assert "deprecated" not in paths["/api/new"]["get"]


def test_a_route_is_not_gone_before_it_is_deprecated() -> None:
    with pytest.raises(CannotStart, match="not after"):
        Deprecated(date(2026, 7, 1), date(2026, 7, 1), "https://docs.example.com/moving")
