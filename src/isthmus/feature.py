"""What a feature is: everything that `app.py` needs to know of a room, as data."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.http import Front, Routes
from isthmus.kit.events import Event
from isthmus.kit.figures import Figure
from isthmus.kit.permissions import Permission
from isthmus.scope import Scope, System, Tx

#: Called with the scope of the wake-up's tenant and its key; raising means: wake me again later.
Job = Callable[[Scope, str], Awaitable[None]]
#: Called in the transaction that also moves the listener's cursor: its effect happens once (PR-03).
Listener = Callable[[SystemTx, Mapping[str, Any]], Awaitable[None]]
#: The same for all events of a batch, where they come by the thousands.
BatchListener = Callable[[SystemTx, Sequence[Mapping[str, Any]]], Awaitable[None]]
#: Looks for state rows without progress and answers the wake-ups that are missing.
Reconcile = Callable[[System, SystemTx], Awaitable[Sequence[Wake]]]
#: Runs once a tick of its own length, in one process at a time.
Periodic = Callable[[System], Awaitable[None]]
#: Figures of the whole deployment, for `/metrics`; asked once in a few seconds and must be quick.
Measure = Callable[[System, SystemTx], Awaitable[Sequence[Figure]]]
#: Works in every worker process, side by side with the others, until the event is set; it outlives its own outages.
Engagement = Callable[[System, asyncio.Event], Awaitable[None]]
#: Seals up to `limit` of the scope's tenant's values behind the row id `after` under the current data key; answers the
#: last row's id, or None when none are left (VA-09). Called again with the same `after` it must do no harm.
Reseal = Callable[[Scope, str | None, int], Awaitable[str | None]]
#: Ends at the far sides what the scope's tenant has there, because the tenant is being deleted.
Leave = Callable[[Scope], Awaitable[None]]
Period = Literal["now", "day", "run"]
Within = Literal["deployment", "process"]
#: How much of a cap the scope's tenant has used; asked with the other caps in one transaction, and takes no lock.
Used = Callable[[Scope, Tx], Awaitable[int]]
#: The same, where more than the tenant's own transaction is asked.
UsedApart = Callable[[Scope], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A bound on what one tenant may have, and how much of it is used (security.md RL-05).

    name: section and name of the setting that bounds it, such as `sync.live_runs`. counts: what is counted, in words.
    period: whether that is what there is now, within the day (UTC), or within one run. refusal: the code of the failure
    that what goes over the cap meets. limit: 0 for none. One of `used` and `used_apart` is given. within: whether the
    limit is for all processes together, or for each of them; then `used` is that of the fullest one.
    """

    name: str
    counts: str
    unit: str
    refusal: str
    limit: Callable[[Scope], int]
    used: Used | None = None
    used_apart: UsedApart | None = None
    period: Period = "now"
    within: Within = "deployment"

    @property
    def setting(self) -> str:
        """The setting that bounds it, as the environment names it."""
        return f"ISTHMUS_{self.name.upper().replace('.', '__')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A room's face towards the composition root."""

    name: str
    routes: Sequence[Routes] = ()
    #: path prefix -> what answers there in front of all routes
    fronts: Mapping[str, Callable[[System], Front]] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    #: where the objects stand that those are woken for: the noun that their ids begin with -> table
    objects: Mapping[str, str] = field(default_factory=dict)
    #: those of them whose objects count the deaths of their workers, and set themselves aside
    counts_deaths: frozenset[str] = frozenset()
    #: those of them that may take hours: they go behind all others and never fill a process
    bulk: frozenset[str] = frozenset()
    #: listener name -> (event types, function)
    listens: Mapping[str, tuple[Sequence[str], Listener]] = field(default_factory=dict)
    listens_at_once: Mapping[str, tuple[Sequence[str], BatchListener]] = field(default_factory=dict)
    emits: Sequence[type[Event]] = ()
    permissions: Sequence[Permission] = ()
    reconcile: Sequence[Reconcile] = ()
    #: name -> (seconds between runs, function)
    periodic: Mapping[str, tuple[float, Periodic]] = field(default_factory=dict)
    #: name -> what goes on all the time
    runs: Mapping[str, Engagement] = field(default_factory=dict)
    #: those of them that take long stretches behind bulk jobs: the process for bulk work has them while there is one
    bulk_runs: frozenset[str] = frozenset()
    #: jobs, and what goes on all the time, of a process that does nothing but call the functions it registered
    calls: frozenset[str] = frozenset()
    #: what `/metrics` shows of the room: counts over all tenants, whose labels name none of them
    measures: Sequence[Measure] = ()
    #: kind of sealed column, such as `connections.tokens` -> function
    reseals: Mapping[str, Reseal] = field(default_factory=dict)
    #: what ends elsewhere before a tenant's data are erased; called again it must do no harm
    leaves: Sequence[Leave] = ()
    #: what one tenant may have of the room's, and how much of it is used
    caps: Sequence[Cap] = ()
    settings: type | None = None
