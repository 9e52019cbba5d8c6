"""Keys in memory, and when one has done its time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.vault import model
from isthmus.features.vault.model import DataKey, KeyCache, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_key(seals: int = 0, age: timedelta = timedelta()) -> DataKey:
    return DataKey("ten_a", "dk_a", b"", "mk_a", NOW - age, None, seals)


def a_cache(limit: int = 10) -> KeyCache[str]:
    return KeyCache(limit=limit, ttl=300.0, check=5.0)


def test_VA_07_a_key_is_outgrown_by_seals_or_by_age() -> None:
    year = timedelta(days=365)
    assert not model.outgrown(a_key(seals=9), NOW, 10, year)
    assert model.outgrown(a_key(seals=10), NOW, 10, year)
    assert model.outgrown(a_key(age=year), NOW, 10, year)


def test_VA_13_a_key_stays_in_memory_for_five_minutes_however_often_it_is_used() -> None:
    cache = a_cache()
    cache.put("ten_a", "dk_a", "key", 0.0)
    assert cache.get("ten_a", "dk_a", 299.0) == "key"
    assert cache.get("ten_a", "dk_a", 300.0) is None
    assert len(cache) == 0


def test_VA_13_the_cache_is_bounded_and_the_oldest_makes_room() -> None:
    cache = a_cache(limit=2)
    for number in range(3):
        cache.put("ten_a", f"dk_{number}", str(number), float(number))
    assert len(cache) == 2
    assert cache.get("ten_a", "dk_0", 3.0) is None


def test_VA_13_a_suspended_tenants_keys_leave_at_once() -> None:
    cache = a_cache()
    for tenant in ("ten_a", "ten_b"):
        cache.put(tenant, "dk", tenant, 0.0)
        cache.appoint(tenant, "dk", 5, 0.0)
    cache.forget("ten_a")
    assert cache.get("ten_a", "dk", 1.0) is None
    assert cache.take("ten_a", 1, 1.0) is None
    assert cache.take("ten_b", 1, 1.0) == "ten_b"


def test_TN_11_keys_of_two_tenants_never_share_an_entry() -> None:
    cache = a_cache()
    cache.put("ten_a", "dk", "a", 0.0)
    assert cache.get("ten_b", "dk", 0.0) is None


def test_VA_07_seals_counted_ahead_are_used_up() -> None:
    cache = a_cache()
    cache.put("ten_a", "dk", "key", 0.0)
    cache.appoint("ten_a", "dk", 3, 0.0)
    assert cache.take("ten_a", 2, 1.0) == "key"
    assert cache.take("ten_a", 2, 1.0) is None
    assert cache.left("ten_a") == ("dk", 1)


def test_VA_09_the_current_key_is_asked_for_again_after_a_short_while() -> None:
    cache = a_cache()
    cache.put("ten_a", "dk", "key", 0.0)
    cache.appoint("ten_a", "dk", 100, 0.0)
    assert cache.take("ten_a", 1, 4.9) == "key"
    assert cache.take("ten_a", 1, 5.0) is None


parts = st.text(alphabet=":ab", max_size=4)


@given(st.tuples(parts, parts, parts, parts), st.tuples(parts, parts, parts, parts))
def test_VA_04_two_places_never_give_the_same_context(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    assert (model.field_context(*one) == model.field_context(*other)) == (one == other)


def test_VA_09_a_master_key_is_disposable_only_once_it_wraps_nothing() -> None:
    status = Status("new", ("old", "older"), {"new": 3, "old": 1}, ("new", "old", "next"), 3, 1, 0)
    assert status.disposable == ("older",)
    assert status.unreadable == 0
    assert Status("new", ("old",), {"new": 3, "old": 1}, ("new",), 3, 1, 0).unreadable == 1
