"""The arithmetic of a shared quota, without clocks or storage.

Permits may leave until their grant expires, so a grant counts from when it was made until the last permit that it may
have let out is one window old: whoever counts calls in any window, wherever it begins, never finds too many.

An urgent lease that got less than it wanted leaves a claim: until its process has asked again, the others get nothing,
or else whoever asks oftener would get what becomes free. The claim lasts while urgent leases use up what there is.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from isthmus.client.budget import BudgetRule, Grant

#: Slots a window is counted in, and the share of it that permits stay good for.
_SLOTS: Final = 64
_GOOD_FOR: Final = 1 / 20
#: Seconds that a claim outlives the moment at which its process asks again.
_CLAIMED: Final = 0.25

#: Pairs of (slot or window number, permits granted in it); for a token bucket (moment in microseconds, permits left).
#: A last pair with a negative number is a claim: its end in milliseconds, negated.
State = list[list[int]]


@dataclass(frozen=True, slots=True)
class Step:
    """A grant, and the state after it; `claims` says that it must be kept even if nothing was granted."""

    state: State
    grant: Grant
    claims: bool = False


def lease(state: State, now: float, wanted: int, rule: BudgetRule) -> Step:
    """Grant up to `wanted` permits at the moment `now` (seconds). Raises ValueError for an unknown strategy."""
    if rule.max_requests < 1 or rule.window <= 0 or rule.holds < 1 or wanted < 0:
        raise ValueError("a shared quota needs max_requests >= 1, window > 0, burst >= 1 and wanted >= 0")
    if not 0 <= rule.reserve < (rule.holds if rule.strategy == "token_bucket" else rule.max_requests):
        raise ValueError("the reserve of a shared quota is less than the quota")
    strategy = _STRATEGIES.get(rule.strategy)
    if strategy is None:
        raise ValueError(f"unknown strategy {rule.strategy!r}")
    if not rule.reserve:
        return strategy(state, now, wanted, rule, 0)
    return _reserving(strategy, state, now, wanted, rule)


def _reserving(strategy: "_Strategy", state: State, now: float, wanted: int, rule: BudgetRule) -> Step:
    until, counted = 0, state
    if state and state[-1][0] < 0:
        counted, until = state[:-1], -state[-1][0]
    claimed = until > now * 1_000
    if not rule.urgent:
        if claimed:
            return Step(state, Grant(0, wait_seconds=max(until / 1_000 - now, 1e-3), left=0))
        return strategy(counted, now, wanted, rule, rule.reserve)
    step = strategy(counted, now, wanted, rule, 0)
    quota = rule.holds if rule.strategy == "token_bucket" else rule.max_requests
    short = step.grant.permits < wanted
    if short or (claimed and (step.grant.left or 0) < quota / 2):
        until = max(until, math.ceil((now + step.grant.wait_seconds + _CLAIMED) * 1_000))
    elif not claimed:
        return step
    return Step([*step.state, [-until, 0]], step.grant, claims=short)


def _sliding(state: State, now: float, wanted: int, rule: BudgetRule, kept: int) -> Step:
    slot = rule.window / _SLOTS
    kept_for = rule.window * (1 + _GOOD_FOR)
    live = [[index, count] for index, count in state if (index + 1) * slot + kept_for > now]
    free = rule.max_requests - kept - sum(count for _, count in live)
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


def _fixed(state: State, now: float, wanted: int, rule: BudgetRule, kept: int) -> Step:
    index = math.floor(now / rule.window)
    if state and state[0][0] >= index:
        index, taken = state[0]
    else:
        taken = 0
    left = (index + 1) * rule.window - now
    free = max(0, rule.max_requests - kept - taken)
    permits = min(wanted, free)
    if permits:
        return Step([[index, taken + permits]], Grant(permits, 0.0, min(left, rule.window), free - permits))
    return Step([[index, taken]], Grant(0, wait_seconds=max(left, 1e-3), left=free))


def _bucket(state: State, now: float, wanted: int, rule: BudgetRule, kept: int) -> Step:
    rate, full = rule.max_requests / rule.window, rule.holds * 1_000_000
    moment = math.floor(now * 1_000_000)
    then, left = state[0] if state else (moment, full)
    moment = max(moment, then)
    left = min(full, left + math.floor((moment - then) * rate))
    free = max(0, left // 1_000_000 - kept)
    permits = min(wanted, free)
    left -= permits * 1_000_000
    if permits:
        # what is granted leaves before much has flowed in again, so that little more than the burst leaves at once
        good_for = min(rule.window * _GOOD_FOR, rule.holds / rate / 4)
        return Step([[moment, left]], Grant(permits, expires_in=good_for, left=free - permits))
    wait = max(((1 + kept) * 1_000_000 - left) / rate / 1_000_000, 1e-3)
    return Step([[moment, left]], Grant(0, wait_seconds=wait, left=free))


_Strategy = Callable[[State, float, int, BudgetRule, int], Step]
_STRATEGIES: Final[Mapping[str, _Strategy]] = {"sliding": _sliding, "fixed": _fixed, "token_bucket": _bucket}


def received(grant: Grant, elapsed: float) -> Grant:
    """The grant as it is when it arrives: the time on the way is gone."""
    if grant.expires_in is None:
        return grant
    left = grant.expires_in - elapsed
    return replace(grant, expires_in=left) if left > 0 else Grant(0, wait_seconds=1e-3, left=grant.left)
