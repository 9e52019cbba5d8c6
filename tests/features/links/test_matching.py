"""Which variants are the same thing, and how one stock is shared."""

from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.links.model.matching import Sold, grouped, twins
from isthmus.features.links.model.sharing import Place, Spot, Standing, counted, step


def sold(listing: str, variant: str, sku: str | None = None, barcode: str | None = None) -> Sold:
    return Sold(listing, variant, f"con_{listing}", sku, barcode)


def _groups(*given_: Sold) -> list[list[tuple[str, str]]]:
    return [[(one.listing_id, how) for one, how in group.members] for group in grouped(given_, {})]


def test_variants_are_matched_by_sku_first_then_by_barcode() -> None:
    a = (sold("a", "1", "TEE-S", "111"), sold("a", "2", "TEE-M", "222"))
    b = (sold("b", "1", " TEE-M ", "999"), sold("b", "2", None, "111"))
    assert _groups(*a, *b) == [[("a", "sku"), ("b", "barcode")], [("a", "sku"), ("b", "sku")]]


def test_case_of_a_sku_counts_and_what_fits_nothing_stays_alone() -> None:
    assert _groups(sold("a", "1", "TEE"), sold("a", "2", "CAP"), sold("b", "1", "tee")) == [
        [("a", "sku")],
        [("a", "sku")],
        [("b", "sku")],
    ]


def test_listings_that_sell_one_thing_each_are_the_same_because_somebody_said_so() -> None:
    assert _groups(sold("a", "1", "X"), sold("b", "1", "Y")) == [[("a", "sku"), ("b", "hand")]]


def test_two_variants_of_one_listing_are_never_one_thing() -> None:
    assert len(grouped([sold("a", "1", "X"), sold("a", "2", "X")], {})) == 2


def test_what_is_linked_already_stays_so_whatever_the_skus_say_now() -> None:
    known = {("a", "1"): "itm_one", ("b", "1"): "itm_one"}
    found = grouped([sold("a", "1", "X"), sold("a", "2", "Y"), sold("b", "1", "Y")], known)
    assert [(group.item_id, len(group.members)) for group in found] == [("itm_one", 2), (None, 1)]


def test_a_sku_that_one_connection_sells_twice_is_named() -> None:
    one = Sold("a", "1", "con_one", "X")
    assert twins([one, Sold("b", "1", "con_one", "X"), Sold("c", "1", "con_two", "X")]) == ["X"]
    assert twins([one, Sold("b", "1", "con_two", "X")]) == []


def _place(name: str, shows: int, seen: int, **more: object) -> Place:
    told: dict[str, object] = {"wanted": None, "standing": Standing.NONE} | more
    return Place(name, "v", shows, seen, **told)  # type: ignore[arg-type]


def test_two_shops_that_sell_at_once_leave_what_is_left_of_both() -> None:
    found = counted(10, [_place("a", 9, 10), _place("b", 8, 10), _place("c", 10, 10)])
    assert found.stock == 7
    assert {place.listing_id: amount for place, amount in found.wants.items()} == {"a": 7, "b": 7, "c": 7}


def test_linking_alone_changes_nothing_anywhere() -> None:
    found = counted(None, [_place("a", 9, 9), _place("b", 3, 3)])
    assert (found.stock, found.wants) == (None, {})


def test_what_a_shop_shows_because_we_wanted_it_is_no_sale() -> None:
    taken = _place("a", 8, 10, wanted=8, standing=Standing.TAKEN, buffer=2)
    assert counted(10, [taken]).stock == 10
    assert counted(10, [taken]).wants == {}
    sold_since = _place("a", 7, 10, wanted=8, standing=Standing.TAKEN, buffer=2)
    assert counted(10, [sold_since]).stock == 9


def test_what_is_under_way_is_neither_counted_nor_replaced() -> None:
    found = counted(10, [_place("a", 4, 6, wanted=10, standing=Standing.UNDER_WAY), _place("b", 9, 10)])
    assert found.stock == 9
    assert [place.listing_id for place in found.wants] == []
    assert [place.listing_id for place in found.seen] == ["b"]


def test_a_buffer_is_kept_back_and_never_below_nothing() -> None:
    found = counted(3, [_place("a", 3, 3, buffer=5), _place("b", 3, 3, buffer=1)])
    assert {place.listing_id: amount for place, amount in found.wants.items()} == {"a": 0, "b": 2}


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), min_size=1, max_size=4))
def test_no_shop_is_ever_to_show_more_than_there_is(stock: int, shops: list[tuple[int, int]]) -> None:
    places = [_place(str(at), shows, stock, buffer=buffer) for at, (shows, buffer) in enumerate(shops)]
    found = counted(stock, places)
    assert found.stock is not None
    assert found.stock >= 0
    assert all(amount <= found.stock for amount in found.wants.values())
    settled = [
        Place(
            p.listing_id, "v", found.wants.get(p, p.shows), found.wants.get(p, p.shows), None, Standing.NONE, p.buffer
        )
        for p in places
    ]
    assert counted(found.stock, settled).wants == {}


def _brought(spots: list[Spot], target: int, home: str = "") -> list[Spot]:
    """Step by step until there is none, each at one location."""
    for _ in range(20):
        found = step(spots, target, home)
        if found is None:
            return spots
        known = {one.location: one for one in spots}
        before = known.get(found.location, Spot(found.location, 0))
        assert (before.ours, before.available) == (True, found.based_on)
        known[found.location] = Spot(found.location, found.value)
        spots = list(known.values())
        assert sum(one.available for one in spots) == found.total
    raise AssertionError("there is no end to it")


def test_what_other_locations_hold_is_taken_off_what_the_main_one_gets() -> None:
    spots = [Spot("A", 6), Spot("B", 4)]
    assert _brought(spots, 15) == [Spot("A", 11), Spot("B", 4)]
    assert _brought(spots, 15, "B") == [Spot("A", 6), Spot("B", 9)]
    assert _brought(spots, 15, "C") == [Spot("A", 6), Spot("B", 4), Spot("C", 5)]


def test_others_give_only_once_the_main_location_is_empty() -> None:
    assert _brought([Spot("A", 6), Spot("B", 4)], 3) == [Spot("A", 0), Spot("B", 3)]
    assert _brought([Spot("A", 1), Spot("B", 4), Spot("C", 9)], 7, "A") == [Spot("A", 0), Spot("B", 4), Spot("C", 3)]


def test_stock_that_the_platform_itself_holds_is_counted_and_never_written() -> None:
    assert _brought([Spot("A", 6), Spot("P", 4, ours=False)], 12) == [Spot("A", 8), Spot("P", 4, ours=False)]
    assert _brought([Spot("A", 6), Spot("P", 4, ours=False)], 1) == [Spot("A", 0), Spot("P", 4, ours=False)]


_SPOTS = st.lists(st.tuples(st.integers(-3, 50), st.booleans()), min_size=1, max_size=4)


@given(_SPOTS, st.integers(0, 80), st.sampled_from(["", "0", "1", "9"]))
def test_any_stock_at_any_locations_comes_to_what_there_is_or_as_near_as_we_may(
    given_: list[tuple[int, bool]], target: int, home: str
) -> None:
    spots = [Spot(str(at), available, ours) for at, (available, ours) in enumerate(given_)]
    if any(one.location == home and not one.ours for one in spots):
        home = ""
    brought = _brought(spots, target, home)
    ours, total = [one for one in brought if one.ours], sum(one.available for one in brought)
    assert not ours or total == target or (total > target and not any(one.available for one in ours))
    assert [one for one in brought if not one.ours] == [one for one in spots if not one.ours]
