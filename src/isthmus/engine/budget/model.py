"""The arithmetic of a shared quota, without clocks or storage.

Permits may leave until their grant expires, so a grant counts from when it was made until the last permit that it may
have let out is one window old: whoever counts calls in any window, wherever it begins, never finds too many.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from isthmus.client.budget import BudgetRule, Grant

#: Slots a window is counted in, and the share of it that permits stay good for.
_SLOTS: Final = 64
_GOOD_FOR: Final = 1 / 20

#: Pairs of (slot or window number, permits granted in it); for a token bucket (moment in microseconds, permits left).
State = list[list[int]]


@dataclass(frozen=True, slots=True)
class Step:
    """A grant, and the state after it."""

    state: State
    grant: Grant


def lease(state: State, now: float, wanted: int, rule: BudgetRule) -> Step:
    """Grant up to `wanted` permits at the moment `now` (seconds). Raises ValueError for an unknown strategy."""
    if rule.max_requests < 1 or rule.window <= 0 or rule.holds < 1 or wanted < 0:
        raise ValueError("a shared quota needs max_requests >= 1, window > 0, burst >= 1 and wanted >= 0")
    if rule.strategy == "fixed":
        return _fixed(state, now, wanted, rule)
    if rule.strategy == "token_bucket":
        return _bucket(state, now, wanted, rule)
    if rule.strategy == "sliding":
        return _sliding(state, now, wanted, rule)
    raise ValueError(f"unknown strategy {rule.strategy!r}")


def _sliding(state: State, now: float, wanted: int, rule: BudgetRule) -> Step:
    slot = rule.window / _SLOTS
    kept_for = rule.window * (1 + _GOOD_FOR)
    live = [[index, count] for index, count in state if (index + 1) * slot + kept_for > now]
    free = rule.max_requests - sum(count for _, count in live)
    permits = max(0, min(wanted, free))
    if permits:
        index = math.floor(now / slot)
        if live and live[-1][0] >= index:  # a clock that stepped back counts into the newest slot
            live[-1][1] += permits
        else:
            live.append([index, permits])
        return Step(live, Grant(permits, expires_in=rule.window * _GOOD_FOR, left=free - permits))
    wait = (live[0][0] + 1) * slot + kept_for - now if live else rule.window
    return Step(live, Grant(0, wait_seconds=max(wait, 1e-3), left=max(0, free)))


def _fixed(state: State, now: float, wanted: int, rule: BudgetRule) -> Step:
    index = math.floor(now / rule.window)
    if state and state[0][0] >= index:
        index, taken = state[0]
    else:
        taken = 0
    left = (index + 1) * rule.window - now
    free = max(0, rule.max_requests - taken)
    permits = min(wanted, free)
    if permits:
        return Step([[index, taken + permits]], Grant(permits, 0.0, min(left, rule.window), free - permits))
    return Step([[index, taken]], Grant(0, wait_seconds=max(left, 1e-3), left=free))


def _bucket(state: State, now: float, wanted: int, rule: BudgetRule) -> Step:
    rate, full = rule.max_requests / rule.window, rule.holds * 1_000_000
    moment = math.floor(now * 1_000_000)
    then, left = state[0] if state else (moment, full)
    moment = max(moment, then)
    left = min(full, left + math.floor((moment - then) * rate))
    permits = max(0, min(wanted, left // 1_000_000))
    left -= permits * 1_000_000
    if permits:
        # what is granted leaves before much has flowed in again, so that little more than the burst leaves at once
        good_for = min(rule.window * _GOOD_FOR, rule.holds / rate / 4)
        return Step([[moment, left]], Grant(permits, expires_in=good_for, left=left // 1_000_000))
    wait = max((1_000_000 - left) / rate / 1_000_000, 1e-3)
    return Step([[moment, left]], Grant(0, wait_seconds=wait, left=left // 1_000_000))


def received(grant: Grant, elapsed: float) -> Grant:
    """The grant as it is when it arrives: the time on the way is gone."""
    if grant.expires_in is None:
        return grant
    left = grant.expires_in - elapsed
    return replace(grant, expires_in=left) if left > 0 else Grant(0, wait_seconds=1e-3, left=grant.left)
