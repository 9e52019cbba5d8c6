"""Names and slugs of tenants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.access.model import tenants as model
from isthmus.kit.errors import Invalid


def test_a_slug_is_made_of_the_name() -> None:
    assert model.read_slug(None, "Cửa hàng Đồ Gỗ & Co. ") == "cua-hang-do-go-co"


def test_a_given_slug_is_taken_as_it_is() -> None:
    assert model.read_slug("shop-1", "Whatever") == "shop-1"


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a b", "a/b", "a" * 64, "ä"])
def test_a_slug_of_another_shape_is_refused(slug: str) -> None:
    with pytest.raises(Invalid):
        model.read_slug(slug, "Name")


def test_a_name_without_letters_needs_a_slug() -> None:
    with pytest.raises(Invalid):
        model.read_slug(None, "!!!")


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_an_empty_or_endless_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        model.read_name(name)


def test_a_name_cannot_move_a_cursor_on_a_terminal() -> None:
    assert "\x1b" not in model.read_name("Shop \x1b[2J")


@given(st.text(min_size=1, max_size=100))
def test_whatever_the_name_a_derived_slug_has_the_shape_or_is_refused(name: str) -> None:
    try:
        slug = model.read_slug(None, name)
    except Invalid:
        return
    assert model.read_slug(slug, "") == slug
