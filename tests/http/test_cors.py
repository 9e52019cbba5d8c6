"""Cross-origin answers: exact origins, and nothing at all for the rest (security.md HE-08, HE-12)."""

from typing import Any

import pytest
from tests.http.conftest import MakeLab

from isthmus.http import PUBLIC, Routes, document
from isthmus.http.errors import CannotStart

GOOD = "https://app.example.com"


def routes() -> Routes:
    made = Routes(prefix="/api", tag="Cors")

    @made.get("/thing", permission=PUBLIC, limit="open", response_model=None, summary="Thing")
    async def thing() -> Any:
        return document({})

    return made


async def test_a_listed_origin_may_read_answers_errors_included(lab: MakeLab) -> None:
    here = lab(routes(), settings={"cors_origins": (GOOD,)})
    for path in ("/api/thing", "/api/nothing"):
        answer = await here.call("GET", path, headers={"origin": GOOD})
        assert answer.headers["access-control-allow-origin"] == GOOD
        assert "X-RateLimit-Remaining" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://app.example.com.evil",
        "https://evilapp.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "HTTPS://APP.EXAMPLE.COM",
        "https://app.example.com https://app.example.com",
        "https://" + "a" * 8000,
    ],
)
async def test_HE_08_other_origins_get_no_header_and_are_counted(lab: MakeLab, origin: str) -> None:
    here = lab(routes(), settings={"cors_origins": (GOOD,)})
    for method in ("GET", "OPTIONS"):
        answer = await here.call(method, "/api/thing", headers={"origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in answer.headers["vary"]
    assert here.app.edge.cors.refused == 2


async def test_HE_12_a_preflight_says_the_same_of_every_address(lab: MakeLab) -> None:
    here = lab(routes(), settings={"cors_origins": (GOOD,)})
    answers = [await here.call("OPTIONS", path, headers={"origin": GOOD}) for path in ("/api/thing", "/nothing")]
    assert [answer.status_code for answer in answers] == [204, 204]
    seen = [{k: v for k, v in answer.headers.items() if k != "x-request-id"} for answer in answers]
    assert seen[0] == seen[1]
    assert "Idempotency-Key" in seen[0]["access-control-allow-headers"]
    assert "allow" not in seen[0]


@pytest.mark.parametrize(
    "origin", ["*", "app.example.com", "https://*.example.com", "https://app.example.com/", "null"]
)
def test_an_origin_that_is_not_exact_stops_the_start(lab: MakeLab, origin: str) -> None:
    with pytest.raises(CannotStart, match="cors_origins"):
        lab(settings={"cors_origins": (origin,)})
