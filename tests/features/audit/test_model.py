"""Filters of the audit log, and what it never shows."""

from datetime import UTC, datetime, timedelta

import pytest

from isthmus.features.audit.model import entries as model
from isthmus.features.audit.model.entries import Filters
from isthmus.kit import ids
from isthmus.kit.errors import Invalid

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(actor=""),
        Filters(subject="x" * 201),
        Filters(starts=NOW, ends=NOW),
        Filters(starts=datetime(2026, 1, 1)),  # noqa: DTZ001 - a time without its offset is what is refused
    ],
)
def test_filters_that_cannot_be_meant_are_refused(filters: Filters) -> None:
    with pytest.raises(Invalid):
        model.check(filters)


def test_filters_that_can_be_meant_pass() -> None:
    filters = Filters(type="tenant.created", starts=NOW, ends=NOW + timedelta(seconds=1))
    assert model.check(filters) is filters


def test_a_place_is_an_event() -> None:
    place = ids.new("evt")
    assert model.check_place(place) == place
    assert model.check_place(None) is None
    with pytest.raises(Invalid):
        model.check_place("evt_1' or true")


def test_AU_06_secrets_are_masked_however_deep_they_lie() -> None:
    given = {"apiKey": "k", "hosts": {"api": "https://a"}, "list": [{"access_token": "t", "tokens": 3}], "given": True}
    assert model.masked(given) == {
        "apiKey": "***",
        "hosts": {"api": "https://a"},
        "list": [{"access_token": "***", "tokens": 3}],
        "given": True,
    }
