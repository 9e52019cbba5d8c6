"""Apps from the environment."""

import pytest

from isthmus.features import catalog
from isthmus.kit.secret import Secret


def test_fields_and_hosts_are_read_by_provider() -> None:
    given = catalog.read_apps(
        {
            "ISTHMUS_PROVIDERS__SHOPEE__PARTNER_ID": "1",
            "ISTHMUS_PROVIDERS__SHOPEE__HOSTS__API": "https://api.example.com",
            "ISTHMUS_PORT": "1",
        }
    )
    assert given.apps["shopee"].credentials == {"partner_id": Secret("1")}
    assert given.apps["shopee"].hosts == {"api": "https://api.example.com"}


@pytest.mark.parametrize("name", ["SHOPEE", "SHOPEE__", "__ID", "SHOPEE__HOST__API", "SHOPEE__HOSTS__API__X"])
def test_a_variable_of_another_form_is_named_and_its_value_not_shown(name: str) -> None:
    with pytest.raises(ValueError, match=f"ISTHMUS_PROVIDERS__{name}") as caught:
        catalog.read_apps({f"ISTHMUS_PROVIDERS__{name}": "canary"})
    assert "canary" not in str(caught.value)


def test_LO_01_credentials_do_not_show() -> None:
    assert "canary" not in repr(catalog.read_apps({"ISTHMUS_PROVIDERS__SHOPEE__PARTNER_KEY": "canary"}))
