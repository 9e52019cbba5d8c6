"""Finding routes: every literal path leads to its own route, whatever the order of declaration."""

import itertools

import pytest

from isthmus.http.errors import CannotStart
from isthmus.http.table import RouteTable

PATHS = [
    "/api/integrations/oauth/callback",
    "/api/integrations/oauth/callback/{registration}",
    "/api/integrations/search",
    "/api/integrations/{id}/search",
    "/api/integrations/{category}/{id}",
    "/api/integrations/{id}",
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(PATHS))))[::90])
def test_literals_win_over_parameters_in_every_order(order: tuple[int, ...]) -> None:
    table: RouteTable[str] = RouteTable()
    for place in order:
        table.add("GET", PATHS[place], PATHS[place])
    for path, found, values in [
        ("/api/integrations/oauth/callback", PATHS[0], {}),
        ("/api/integrations/oauth/callback/shopee", PATHS[1], {"registration": "shopee"}),
        ("/api/integrations/search", PATHS[2], {}),
        ("/api/integrations/shopee/search", PATHS[3], {"id": "shopee"}),
        ("/api/integrations/marketplace/shopee", PATHS[4], {"category": "marketplace", "id": "shopee"}),
        ("/api/integrations/shopee", PATHS[5], {"id": "shopee"}),
    ]:
        assert table.find("GET", path) == (found, values)


def test_a_method_that_only_the_parameter_takes_is_found_there() -> None:
    table: RouteTable[str] = RouteTable()
    table.add("POST", "/things/search", "search")
    table.add("GET", "/things/{id}", "one")
    assert table.find("GET", "/things/search") == ("one", {"id": "search"})
    assert table.allowed("/things/search") == {"GET", "POST"}
    assert table.find("DELETE", "/things/search") is None


def test_a_parameter_is_one_segment_that_is_not_empty() -> None:
    table: RouteTable[str] = RouteTable()
    table.add("GET", "/things/{id}", "one")
    table.add("GET", "/files/{rest:path}", "file")
    for path in ("/things/", "/things/a/b", "/things", "things/a", "/things/a/"):
        assert table.find("GET", path) is None
        assert table.allowed(path) == set()
    assert table.find("GET", "/files/a/b") == ("file", {"rest": "a/b"})


def test_a_path_declared_twice_stops_the_start() -> None:
    table: RouteTable[str] = RouteTable()
    table.add("GET", "/things/{id}", "one")
    with pytest.raises(CannotStart, match="twice"):
        table.add("GET", "/things/{other}", "two")
    with pytest.raises(CannotStart, match="last segment"):
        table.add("GET", "/things/{rest:path}/more", "three")
