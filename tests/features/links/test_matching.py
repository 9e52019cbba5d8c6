"""Which variants are the same thing, and how one stock is shared."""

from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.links.model.matching import Sold, grouped, joining, twins
from isthmus.features.links.model.sharing import Place, Spot, Standing, counted, step


def sold(listing: str, variant: str, sku: str | None = None, barcode: str | None = None) -> Sold:
    return Sold(listing, variant, f"con_{listing}", sku, barcode)


def _groups(*given_: Sold) -> list[list[tuple[str, str]]]:
    return [[(one.listing_id, how) for one, how in group.members] for group in grouped(given_, {})]


def test_variants_are_matched_by_sku_first_then_by_barcode() -> None:
    a = (sold("a", "1", "TEE-S", "111"), sold("a", "2", "TEE-M", "222"))
    b = (sold("b", "1", " TEE-M ", "999"), sold("b", "2", None, "111"))
    assert _groups(*a, *b) == [[("a", "sku"), ("b", "barcode")], [("a", "sku"), ("b", "sku")]]


A, B = sold("a", "1", "TEE-S", "111"), sold("b", "1", "TEE-S", "111")
_ITEMS = {("a", "1"): "itm_s", ("b", "1"): "itm_s"}


def _joined(*fresh: Sold) -> list[tuple[str | None, list[tuple[str, str, str]]]]:
    found = joining([A, B, *fresh], _ITEMS)
    return [
        (group.item_id, [(one.listing_id, one.variant, how) for one, how in group.members]) for group in found.groups
    ]


def _left(*fresh: Sold) -> list[tuple[str, str, str]]:
    return [(one.by, one.value, one.reason) for one in joining([A, B, *fresh], _ITEMS).left]


def test_a_new_variant_joins_by_sku_then_by_barcode_and_else_stands_alone() -> None:
    assert _joined(sold("c", "9", " TEE-S ")) == [("itm_s", [("c", "9", "sku")])]
    assert _joined(sold("c", "9", "ELSE", "111")) == [("itm_s", [("c", "9", "barcode")])]
    assert _joined(sold("a", "2", "TEE-M"), sold("b", "2", "TEE-M")) == [(None, [("a", "2", "sku"), ("b", "2", "sku")])]
    assert _joined(sold("a", "2", "CAP", "7"), sold("b", "2", None, "7")) == [
        (None, [("a", "2", "barcode"), ("b", "2", "barcode")])
    ]
    assert _joined(sold("a", "2", "TEE-M"), sold("b", "2")) == [
        (None, [("a", "2", "sku")]),
        (None, [("b", "2", "hand")]),
    ]


def test_a_new_variant_that_may_be_several_things_is_left_with_the_reason() -> None:
    first = "A new variant of a linked listing: "
    assert _left(sold("a", "2", "TEE-S")) == [
        ("sku", "TEE-S", f"{first}one connection sells the SKU TEE-S more than once.")
    ]
    other = joining([A, sold("b", "1", "TEE-S"), sold("c", "1", "TEE-S")], {("a", "1"): "itm_1", ("b", "1"): "itm_2"})
    assert [one.reason for one in other.left] == [f"{first}the SKU TEE-S fits several items of the product."]
    twice = joining([A, sold("c", "1", "X", "5"), sold("c", "2", "TEE-S")], {("a", "1"): "itm_1", ("c", "1"): "itm_1"})
    assert [one.reason for one in twice.left] == [
        f"{first}the listing sells the item of the SKU TEE-S as another variant already."
    ]
    assert (other.groups, twice.groups) == ([], [])


_SOLD = st.lists(
    st.builds(
        sold,
        st.sampled_from("abc"),
        st.sampled_from("12345"),
        st.sampled_from([None, "S", "M", " S"]),
        st.none() | st.just("7"),
    ),
    max_size=8,
    unique_by=lambda one: (one.listing_id, one.variant),
)


@given(_SOLD, st.data())
def test_no_item_ever_holds_two_variants_of_one_listing(several: list[Sold], data: st.DataObject) -> None:
    known = data.draw(st.lists(st.sampled_from(several), unique=True)) if several else []
    items = {(one.listing_id, one.variant): f"itm_{one.variant}" for one in known}
    found = joining(several, items)
    homes = [(id_, listing) for (listing, _), id_ in items.items()]
    homes += [(group.item_id or str(id(group)), one.listing_id) for group in found.groups for one, _ in group.members]
    assert len(homes) == len(set(homes))
    placed = {(one.listing_id, one.variant) for group in found.groups for one, _ in group.members}
    left = {(one.sold.listing_id, one.sold.variant) for one in found.left}
    assert not placed & left
    assert placed | left | items.keys() == {(one.listing_id, one.variant) for one in several}


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
