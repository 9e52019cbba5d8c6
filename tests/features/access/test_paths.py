"""Keys whose permissions are for some paths only."""

import pytest

from isthmus.features.access.model import keys
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import TENANT_ADMIN, USER, Principal, permission

FETCH = permission("proxy:fetch", "For tests.", TENANT_ADMIN, by_path=True)
READ = permission("products:read", "For tests.", TENANT_ADMIN, USER)
KNOWN = keys.grantable([FETCH, READ])


def _key(*permissions: str) -> Principal:
    reach = keys.reach(permissions, [TENANT_ADMIN], KNOWN)
    return Principal("key", "key_1", "isthmus", "ten_a", permissions=reach)


def test_a_permission_by_path_may_bear_one_and_others_may_not() -> None:
    assert keys.read_permissions(["proxy:fetch:/orders/*"], KNOWN) == ("proxy:fetch:/orders/*",)
    for wrong in ("products:read:/orders", "proxy:fetch:orders", "proxy:nothing:/x"):
        with pytest.raises(Invalid):
            keys.read_permissions([wrong], KNOWN)


def test_a_key_holds_it_for_its_paths_and_a_plain_one_for_all() -> None:
    limited = _key("proxy:fetch:/orders/*", "proxy:fetch:/shop")
    assert limited.may(FETCH)
    assert not limited.may(READ)
    assert limited.paths(FETCH) == ("/orders/*", "/shop")
    assert _key("proxy:fetch", "proxy:fetch:/orders/*").paths(FETCH) == ()
    assert not _key("products:read").may(FETCH)


def test_it_goes_with_the_role_of_its_maker() -> None:
    assert keys.reach(["proxy:fetch:/orders/*"], [USER], KNOWN) == frozenset()
