"""The form of an API key, and what it may do (security.md AK-01, AK-02, AK-04, AK-06)."""

import re
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.features.access.model import keys as model
from isthmus.features.access.model.keys import ApiKey, KeyStatus, Mode
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READ = permission("products:read", "Read.", SUPER_ADMIN, TENANT_ADMIN, USER)
TRIGGER = permission("sync:trigger", "Start.", SUPER_ADMIN, TENANT_ADMIN)
DEPLOYMENT = permission("tenants:manage", "All.", SUPER_ADMIN)
KEYS = permission(model.MANAGE, "Keys.", TENANT_ADMIN)
KNOWN = model.grantable([READ, TRIGGER, DEPLOYMENT, KEYS])


def _key(**changed: object) -> ApiKey:
    given = {"id": "key_1", "name": "Till", "mode": Mode.LIVE, "prefix": "p", "last4": "l", "permissions": ("a",)}
    return ApiKey(**{**given, "created_by": "user:x:y", "created_at": NOW, **changed})  # type: ignore[arg-type] # fields by name


def test_AK_01_what_is_made_is_known_by_its_form() -> None:
    random = ids.base62(32 * 50_000)
    for mode in Mode:
        for at in range(0, len(random), 32):
            assert model.is_key(model.form(mode, random[at : at + 32]).reveal())


@settings(max_examples=500)
@given(st.data())
def test_AK_01_one_changed_letter_is_seen(data: st.DataObject) -> None:
    random = data.draw(st.text(ids.BASE62, min_size=32, max_size=32))
    key = model.form(data.draw(st.sampled_from(Mode)), random).reveal()
    at = data.draw(st.integers(0, len(key) - 1))
    letter = data.draw(st.sampled_from(string.printable).filter(lambda one: one != key[at]))
    assert not model.is_key(key[:at] + letter + key[at + 1 :])


@given(st.text())
def test_AK_01_whatever_is_shown_is_judged_without_failing(shown: str) -> None:
    assert not model.is_key(shown)
    assert not model.is_key(f"isk_live_{shown}")


def test_AK_01_a_key_has_the_published_form() -> None:
    key = model.form(Mode.TEST, "A" * 32).reveal()
    assert (len(key), key[:9]) == (47, "isk_test_")
    assert model.checksum("isk_test_" + "A" * 32) == key[-6:]


def test_AK_09_the_guide_publishes_the_pattern_of_keys() -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "people-and-keys.md"
    (pattern,) = re.findall(r"the form `([^`]+)`", guide.read_text("utf-8"))
    assert all(re.fullmatch(pattern, model.form(mode, ids.base62(32)).reveal()) for mode in Mode)
    assert string.digits + string.ascii_uppercase + string.ascii_lowercase == ids.BASE62


def test_AK_02_people_tell_keys_apart_by_their_ends() -> None:
    key = model.form(Mode.LIVE, "abcd" + "x" * 28)
    assert model.prefix(key) == "isk_live_abcd"
    assert model.last4(key) == key.reveal()[-4:]
    assert key.reveal() not in repr(key)


def test_AK_04_no_key_holds_the_deployments_permissions_or_makes_keys() -> None:
    assert set(KNOWN) == {"products:read", "sync:trigger"}
    for name in ("tenants:manage", model.MANAGE, "nothing:here"):
        with pytest.raises(Invalid):
            model.read_permissions([name, "products:read"], KNOWN)
    with pytest.raises(Invalid):
        model.read_permissions([], KNOWN)
    assert model.read_permissions(["sync:trigger", "products:read", "sync:trigger"], KNOWN) == (
        "products:read",
        "sync:trigger",
    )


def test_AK_04_a_key_reaches_what_its_maker_holds_and_no_further() -> None:
    both = ("products:read", "sync:trigger")
    assert model.reach(both, [TENANT_ADMIN], KNOWN) == set(both)
    assert model.reach(both, [USER], KNOWN) == {"products:read"}
    assert model.reach(both, [], KNOWN) == set()
    assert model.reach(("gone:since",), [TENANT_ADMIN], KNOWN) == set()


def test_a_key_is_active_until_it_expires_or_is_revoked() -> None:
    end = NOW + timedelta(hours=1)
    assert _key().status(NOW) is KeyStatus.ACTIVE
    assert _key(expires_at=end).status(end - timedelta(seconds=1)) is KeyStatus.ACTIVE
    assert _key(expires_at=end).status(end) is KeyStatus.EXPIRED
    assert _key(expires_at=end, revoked_at=NOW).status(end) is KeyStatus.REVOKED
    with pytest.raises(Invalid):
        model.read_expiry(NOW, NOW)


def test_AK_06_a_replaced_key_ends_after_the_overlap_and_never_lives_longer_than_it_would_have() -> None:
    soon, hour = NOW + timedelta(minutes=5), timedelta(hours=1)
    assert model.overlap_end(_key(), NOW, hour) == NOW + hour
    assert model.overlap_end(_key(expires_at=soon), NOW, hour) == soon
    assert model.successor_expiry(_key(), NOW) is None
    assert model.successor_expiry(_key(expires_at=NOW + hour), soon) == soon + hour


@pytest.mark.parametrize("name", ["", " ", "x" * 101])
def test_an_empty_or_endless_name_of_a_key_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        model.read_name(name)
