"""The page of figures: what it counts, what it never names, and that it is cheap for everybody."""

import time
from typing import Any

import pytest
from tests.http.conftest import Lab, MakeLab

from isthmus.http import Routes, document
from isthmus.http.metrics import Traffic, figure_lines
from isthmus.kit.errors import Unavailable
from isthmus.kit.figures import Figure
from isthmus.kit.permissions import USER, permission

USE = permission("metrics:use", "use the lab", USER)


class Rooms:
    """What the rooms tell, and how often they were asked."""

    def __init__(self, *, broken: bool = False) -> None:
        self.asked = 0
        self._broken = broken

    async def __call__(self) -> list[Figure]:
        self.asked += 1
        if self._broken:
            raise Unavailable("The database ten_secret is gone.")
        return [Figure("isthmus_queue_wakes", "Wake-ups.", 7, {"job": 'a"b\\c\nd'})]


def routes() -> Routes:
    made = Routes(prefix="/api", tag="Lab")

    @made.get("/shops/{id}", permission=USE, limit="widget", response_model=None, summary="One shop")
    async def shop(id: str) -> Any:  # noqa: A002 - the path's own word
        return document({"id": id})

    return made


async def page(here: Lab) -> str:
    answer = await here.call("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


async def test_HE_13_requests_are_counted_by_route_and_nobody_is_named(lab: MakeLab) -> None:
    here = lab(routes(), figures=Rooms(), settings={"limits": {"widget": 2}})
    for shop in ("con_secret", "con_other", "con_third"):
        await here.call("GET", f"/api/shops/{shop}?x=1", headers=here.signed(tenant="ten_secret", subject="usr_secret"))
    await here.call("GET", "/nothing/usr_secret")
    await here.call("BREW", "/api/shops/con_secret")
    text = await page(here)
    assert 'request_seconds_count{route="/api/shops/{id}",method="GET",status="4xx"} 3' in text
    assert 'request_seconds_count{route="(none)",method="GET",status="4xx"} 1' in text
    assert 'request_seconds_count{route="(none)",method="other",status="4xx"} 1' in text
    assert "secret" not in text
    assert "process_cpu_seconds_total" in text
    assert "python_info" not in text


async def test_refusals_of_limits_are_counted_by_class(lab: MakeLab) -> None:
    here = lab(routes(), figures=Rooms(), settings={"limits": {"widget": 2}, "failures_per_minute": 1})
    for _ in range(5):
        await here.call("GET", "/api/shops/con_1", headers=here.signed())
    for _ in range(3):
        await here.call("GET", "/api/shops/con_1", headers={"authorization": "Bearer wrong"})
    text = await page(here)
    assert 'isthmus_http_limited_total{class="widget"} 3' in text
    assert 'isthmus_http_limited_total{class="sign-in"} 2' in text
    assert 'method="GET",status="2xx"} 2' in text


async def test_what_the_rooms_tell_is_asked_once_in_a_while_and_escaped(lab: MakeLab) -> None:
    rooms = Rooms()
    here = lab(routes(), figures=rooms)
    for _ in range(3):
        text = await page(here)
    assert rooms.asked == 1
    assert '# TYPE isthmus_queue_wakes gauge\nisthmus_queue_wakes{job="a\\"b\\\\c\\nd"} 7' in text
    here.clock.advance(6)
    await page(here)
    assert rooms.asked == 2


async def test_a_room_that_does_not_answer_takes_no_figure_of_the_edge_along(lab: MakeLab) -> None:
    text = await page(lab(routes(), figures=Rooms(broken=True)))
    assert "isthmus_rooms_answer 0" in text
    assert "isthmus_http_request_seconds" in text
    assert "secret" not in text


@pytest.mark.parametrize("more", [{"figures": Rooms(), "settings": {"metrics": False}}, {}])
async def test_there_is_no_page_where_it_is_switched_off(lab: MakeLab, more: dict[str, Any]) -> None:
    assert (await lab(routes(), **more).call("GET", "/metrics")).status_code == 404


def test_buckets_add_up() -> None:
    traffic = Traffic()
    for seconds in (0.0005, 0.001, 0.004, 0.2, 99.0):
        traffic.note("/x", "GET", 200, seconds)
    lines = list(traffic.lines())
    counts = {line.split('le="')[1].split('"')[0]: int(line.rsplit(" ", 1)[1]) for line in lines if "le=" in line}
    assert (counts["0.001"], counts["0.005"], counts["0.25"], counts["30.0"], counts["+Inf"]) == (2, 3, 4, 4, 5)
    assert any(line.endswith("} 99.205500") for line in lines)


def test_noting_a_request_costs_under_three_microseconds() -> None:
    traffic = Traffic()
    best = 1.0
    for _ in range(20):
        started = time.process_time()
        for _ in range(2_000):
            traffic.note("/api/listings", "GET", 200, 0.02)
        best = min(best, (time.process_time() - started) / 2_000)
    assert best < 3e-6


def test_figures_of_a_kind_stand_together() -> None:
    made = [Figure("a", "A.", 1, {"x": "1"}), Figure("b", "B.", 0.5, total=True), Figure("a", "A.", 2, {"x": "2"})]
    assert list(figure_lines(made)) == [
        "# HELP a A.",
        "# TYPE a gauge",
        'a{x="1"} 1',
        'a{x="2"} 2',
        "# HELP b B.",
        "# TYPE b counter",
        "b 0.5",
    ]
