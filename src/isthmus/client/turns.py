"""Whose turn it is among calls that wait for one limit."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Waiter:
    """A call that waits; `turn` is done once it has its permit, or has given up."""

    weight: int
    urgent: bool
    turn: asyncio.Future[None]


class Round:
    """Waiting calls of one kind: round robin over shares, first come first served within one."""

    __slots__ = ("count", "shares", "weight")

    def __init__(self) -> None:
        self.shares: dict[str, deque[Waiter]] = {}
        self.count = 0
        self.weight = 0

    def add(self, share: str, waiter: Waiter) -> None:
        """The last of its share."""
        self.shares.setdefault(share, deque()).append(waiter)
        self.count += 1
        self.weight += waiter.weight

    def head(self) -> Waiter | None:
        """Whose turn it is; calls that gave up meanwhile are dropped."""
        while self.shares:
            share, line = next(iter(self.shares.items()))
            while line and line[0].turn.done():
                line.popleft()
            if line:
                return line[0]
            del self.shares[share]
        return None

    def serve(self) -> None:
        """The head has its permit: its share goes to the end of the round."""
        share, line = next(iter(self.shares.items()))
        waiter = line.popleft()
        self.left(waiter)
        del self.shares[share]
        if line:
            self.shares[share] = line
        waiter.turn.set_result(None)

    def left(self, waiter: Waiter) -> None:
        """One less waits."""
        self.count -= 1
        self.weight -= waiter.weight


class Queue:
    """Waiting calls of one key: urgent ones pass the others, and among each kind the shares take turns."""

    __slots__ = ("ordinary", "urgent")

    def __init__(self) -> None:
        self.urgent = Round()
        self.ordinary = Round()

    @property
    def weight(self) -> int:
        """Permits that are waited for."""
        return self.urgent.weight + self.ordinary.weight

    def head(self) -> Waiter | None:
        """Whose turn it is."""
        if self.urgent.count and (waiter := self.urgent.head()) is not None:
            return waiter
        return self.ordinary.head()

    def serve(self, waiter: Waiter) -> None:
        """The head has its permit."""
        (self.urgent if waiter.urgent else self.ordinary).serve()
