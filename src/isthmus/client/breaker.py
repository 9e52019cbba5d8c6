"""The circuit breaker: opens by ratio or by a run of failures; half open lets exactly N probes through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from isthmus.client.errors import BreakerOpen

State = Literal["closed", "open", "half_open"]
_SLOTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """When a circuit opens and closes.

    consecutive: failures in a row that open it. ratio: share of failures among at least `minimum` calls in `window`
    seconds that opens it. open_for: seconds before probes; doubled with each failed probe up to `max_open_for`.
    probes: calls let through half open; all must succeed. by_route: one circuit per host and route, else per host.
    """

    consecutive: int = 5
    ratio: float = 0.5
    minimum: int = 20
    window: float = 30.0
    open_for: float = 5.0
    max_open_for: float = 60.0
    probes: int = 1
    by_route: bool = True


@dataclass(frozen=True, slots=True)
class Changed:
    """A circuit went from one state to another."""

    key: str
    before: State
    after: State


class _Circuit:
    """One circuit as a state machine over the times it is given."""

    __slots__ = ("counts", "generation", "in_flight", "opened_at", "pause", "row", "slot", "state", "succeeded")

    def __init__(self) -> None:
        self.state: State = "closed"
        self.generation = 0
        self.row = 0
        self.counts: list[list[int]] = [[0, 0] for _ in range(_SLOTS)]
        self.slot = -1
        self.opened_at = 0.0
        self.pause = 0.0
        self.in_flight = 0
        self.succeeded = 0

    def move(self, state: State) -> None:
        self.state = state
        self.generation += 1
        self.in_flight = self.succeeded = 0

    def count(self, ok: bool, slot: int) -> None:
        behind = min(slot - self.slot, _SLOTS)
        for step in range(behind):
            self.counts[(slot - step) % _SLOTS] = [0, 0]
        self.slot = max(slot, self.slot)
        self.counts[self.slot % _SLOTS][0 if ok else 1] += 1

    def failing(self, rule: BreakerRule) -> bool:
        if self.row >= rule.consecutive:
            return True
        failed = sum(pair[1] for pair in self.counts)
        total = failed + sum(pair[0] for pair in self.counts)
        return total >= rule.minimum and failed >= rule.ratio * total


class Permit:
    """The right to make one call; closing it without an answer counts as nothing, which is what a cancel is."""

    __slots__ = ("_breaker", "_circuit", "_generation", "_key", "_ok")

    def __init__(self, breaker: Breaker, key: str, circuit: _Circuit) -> None:
        self._breaker = breaker
        self._key = key
        self._circuit = circuit
        self._generation = circuit.generation
        self._ok: bool | None = None

    def answered(self, *, ok: bool) -> None:
        """The far side answered well, or failed."""
        self._ok = ok

    def close(self, now: float) -> None:
        """The call is over."""
        circuit = self._circuit
        if self._generation != circuit.generation:
            return
        if circuit.state == "half_open":
            circuit.in_flight -= 1
        if self._ok is not None:
            self._breaker.record(self._key, circuit, self._ok, now)


class Breaker:
    """Circuits by key; listeners are told of every change and must not raise."""

    def __init__(
        self, rule: BreakerRule | None = None, *, listeners: tuple[Callable[[Changed], None], ...] = ()
    ) -> None:
        self.rule = rule or BreakerRule()
        self._listeners = listeners
        self._circuits: dict[str, _Circuit] = {}
        self._width = self.rule.window / _SLOTS

    def listen(self, listener: Callable[[Changed], None]) -> None:
        """Tell `listener` of every change from now on."""
        self._listeners = (*self._listeners, listener)

    def key_of(self, host: str, route: str | None) -> str:
        """The circuit a call belongs to."""
        return f"{host} {route}" if route and self.rule.by_route else host

    def state(self, key: str) -> State:
        """The state of a circuit."""
        found = self._circuits.get(key)
        return found.state if found else "closed"

    def states(self) -> dict[str, State]:
        """Every circuit that is not forgotten, for metrics."""
        return {key: circuit.state for key, circuit in self._circuits.items()}

    def refuse(self, key: str, now: float) -> None:
        """Raise BreakerOpen if a call could not pass now; takes nothing."""
        circuit = self._circuits.get(key)
        if circuit is None or circuit.state == "closed":
            return
        if circuit.state == "open":
            left = circuit.opened_at + circuit.pause - now
            if left > 0:
                raise BreakerOpen(retry_after=left)
        elif circuit.in_flight + circuit.succeeded >= self.rule.probes:
            raise BreakerOpen(retry_after=1.0)

    def admit(self, key: str, now: float) -> Permit:
        """The right to make a call. Raises BreakerOpen."""
        circuit = self._circuits.get(key)
        if circuit is None:
            if len(self._circuits) >= 10_000:
                self._circuits = {name: one for name, one in self._circuits.items() if one.state != "closed"}
            circuit = self._circuits[key] = _Circuit()
        elif circuit.state != "closed":
            self.refuse(key, now)
            if circuit.state == "open":
                self._move(key, circuit, "half_open")
            circuit.in_flight += 1
        return Permit(self, key, circuit)

    def open(self, key: str, now: float, seconds: float | None = None) -> None:
        """Open a circuit by hand, for `seconds` or the rule's own time."""
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.opened_at, circuit.pause = now, self.rule.open_for if seconds is None else seconds
        self._move(key, circuit, "open")

    def close(self, key: str) -> None:
        """Close a circuit by hand and forget its failures."""
        circuit = self._circuits.get(key)
        if circuit is not None:
            self._reset(key, circuit)

    def record(self, key: str, circuit: _Circuit, ok: bool, now: float) -> None:
        """What a permit tells when it closes."""
        rule = self.rule
        if circuit.state == "half_open":
            if not ok:
                self._trip(key, circuit, now, min(circuit.pause * 2, rule.max_open_for))
                return
            circuit.succeeded += 1
            if circuit.succeeded >= rule.probes:
                self._reset(key, circuit)
            return
        slot = int(now / self._width)
        if ok:
            circuit.row = 0
            if slot == circuit.slot:
                circuit.counts[slot % _SLOTS][0] += 1
            else:
                circuit.count(ok, slot)
            return
        circuit.row += 1
        circuit.count(ok, slot)
        if circuit.failing(rule):
            self._trip(key, circuit, now, rule.open_for)

    def _trip(self, key: str, circuit: _Circuit, now: float, pause: float) -> None:
        circuit.opened_at, circuit.pause = now, pause
        self._move(key, circuit, "open")

    def _reset(self, key: str, circuit: _Circuit) -> None:
        circuit.row, circuit.slot = 0, -1
        circuit.counts = [[0, 0] for _ in range(_SLOTS)]
        self._move(key, circuit, "closed")

    def _move(self, key: str, circuit: _Circuit, after: State) -> None:
        before = circuit.state
        circuit.move(after)
        if before != after:
            for listener in self._listeners:
                listener(Changed(key, before, after))
