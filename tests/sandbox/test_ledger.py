"""Codes and tokens: bound, ended by the clock, taken back, and repeatable."""

from isthmus.kit.clock import ManualClock
from isthmus.sandbox.clock import ShiftedClock
from isthmus.sandbox.ledger import Ledger
from isthmus.sandbox.model import App

APP = App("1", "one", {})
OTHER = App("2", "two", {})


def ledger() -> Ledger:
    return Ledger(ShiftedClock(ManualClock()), 1, "test")


def test_the_same_seed_issues_the_same_texts() -> None:
    drawn = [[each.draw() for _ in range(3)] for each in (ledger(), ledger())]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 3


def test_a_code_is_redeemed_once_by_its_application_in_time() -> None:
    clock = ShiftedClock(ManualClock())
    each = Ledger(clock, 1)
    grant = each.grant(APP, "seller", ("seller",))
    code = each.code(grant, "http://localhost/", 60)
    assert each.redeem(code.text, OTHER) is None
    assert each.redeem(code.text, APP) is code
    assert each.redeem(code.text, APP) is None
    late = each.code(grant, "http://localhost/", 60)
    clock.advance(60)
    assert each.redeem(late.text, APP) is None


def test_tokens_end_by_time_by_switch_and_with_their_grant() -> None:
    clock = ShiftedClock(ManualClock())
    each = Ledger(clock, 1)
    grant = each.grant(APP, "seller", ("shop-1", "shop-2"))
    access, endless = each.token("access", grant, "shop-1", 60), each.token("refresh", grant, "", None)
    assert not access.dead(clock.now())
    each.expire(access.text)
    assert access.dead(clock.now())
    clock.advance(10**9)
    assert not endless.dead(clock.now())
    assert each.revoke("shop-2") == 1
    assert each.revoke("shop-2") == 0
    assert endless.dead(clock.now())


def test_a_token_is_found_by_kind_alone() -> None:
    each = ledger()
    grant = each.grant(APP, "seller", ("seller",))
    access = each.token("access", grant, "seller", 60)
    assert each.find(access.text, "access") is access
    assert each.find(access.text, "refresh") is None
    assert each.find(None, "access") is None


def test_secrets_are_not_in_the_repr() -> None:
    each = ledger()
    grant = each.grant(App("1", "one", {"secret": "s3cret"}), "seller", ("seller",))
    token, code = each.token("access", grant, "seller", 60), each.code(grant, "http://localhost/", 60)
    assert token.text not in repr(token)
    assert code.text not in repr(code)
    assert "s3cret" not in repr(grant)
