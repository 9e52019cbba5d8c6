"""Who does what with a delivery: handlers by pattern and priority, and the tasks that come of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from isthmus.features.webhooks_in.model import expressions
from isthmus.features.webhooks_in.model.deliveries import State
from isthmus.features.webhooks_in.model.inbound import Inbound, Json, Request, walk

#: The event that forwarding publishes, and how often one message may pass through before it is dropped (WH-14).
RECEIVED = "webhook.received"
MOST_HOPS = 5
SYNC = "sync"
#: How the ids of the handlers begin that tenants set up.
RESERVED = "hdl_"
_STANDARD = 100
#: Before the name of a lane: the lane beside it. Where an account's own name begins so, two lanes wait for each other
#: that need not.
_BEHIND = "~"


class Action(StrEnum):
    """What a handler does."""

    SYNC = "sync"
    FORWARD = "forward"
    CALL = "call"
    OBEY = "obey"


class OrderedBy(StrEnum):
    """Within what a handler is told of one delivery after the other."""

    OBJECT = "object"
    ACCOUNT = "account"
    SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A handler as the planner sees it. `name` is unique for the tenant; a lower `priority` begins earlier."""

    name: str
    action: Action
    pattern: str = "*"
    priority: int = _STANDARD
    source_id: str | None = None
    filter: str | None = None
    transform: str | None = None
    retries: tuple[float, ...] | None = None
    ordered_by: OrderedBy | None = None
    #: No process has said for a while that it has this function.
    missed: bool = False


#: Reads the object that a delivery is about; there without being asked for.
READER = Rule(name=SYNC, action=Action.SYNC, priority=50)
#: Does what the law wants when a platform passes on that a person, or a whole shop, is to be told of or forgotten.
PRIVACY = Rule(name="privacy", action=Action.OBEY, pattern="privacy.*", priority=40)
BUILT_IN = {rule.name: rule for rule in (READER, PRIVACY)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the planner knows of a delivery. `body` is read only for those that a filter judges."""

    id: str
    source_id: str
    connection_id: str | None
    provider: str
    event: str
    topic: str
    entity: str
    object: str
    account: str
    simulated: bool
    rehearsed: bool = False
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""

    @property
    def document(self) -> Json:
        """The body as expressions see it: its JSON, or the fields of its form."""
        inbound = Inbound(Request("POST", "", (), self.headers, self.body))
        return dict(inbound.form) if inbound.form else inbound.json

    @property
    def hops(self) -> int:
        """How often this message has passed through a forwarder like this one."""
        return hops_of(self.document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one handler has to do with one delivery."""

    delivery_id: str
    handler: str
    key: str
    priority: int
    lane: str | None
    gated: bool
    #: Why nobody takes it up yet; it holds no other handler back then.
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """The tasks of one delivery; the reason why nothing is to be done, or why some of it waits."""

    tasks: Sequence[Task]
    reason: str | None = None
    #: Whether there is no handler for it at all.
    unwanted: bool = False

    @property
    def state(self) -> State:
        """Where the delivery stands then."""
        return State.WAITING if self.tasks else State.IGNORED


def wants(rule: Rule, one: Subject) -> bool:
    """Whether a handler is for this delivery, its filter left out."""
    if rule.action == Action.SYNC:
        return bool(one.entity and one.connection_id)
    if rule.action == Action.OBEY and one.connection_id is None:
        return False
    return rule.source_id in (None, one.source_id) and fnmatchcase(one.event, rule.pattern)


def matching(rules: Sequence[Rule], one: Subject) -> list[Rule]:
    """The handlers for this delivery, in the order in which they begin; simulated ones reach none (WH-13)."""
    if one.simulated:
        return []
    return sorted((rule for rule in rules if wants(rule, one)), key=lambda rule: (rule.priority, rule.name))


def plan(rules: Sequence[Rule], source_filter: str | None, one: Subject) -> Planned:
    """What is to be done with a delivery. An expression that fails lets it through: better twice than lost."""
    if one.simulated:
        return Planned((), "A simulated delivery reaches no handler.")
    found = matching(rules, one)
    if not found:
        return Planned((), "No handler wants this event.", unwanted=True)
    if source_filter is not None and not _lets_through(source_filter, one):
        return Planned((), "The source's filter leaves it out.")
    fine = [rule for rule in found if rule.filter is None or _lets_through(rule.filter, one)]
    if not fine:
        return Planned((), "The handlers' filters leave it out.")
    first = fine[0].priority
    made = [_task(rule, one, gated=rule.priority > first) for rule in fine]
    return Planned(made, next((task.reason for task in made if task.reason is not None), None))


def _lets_through(expression: str, one: Subject) -> bool:
    try:
        return expressions.holds(expression, one.document)
    except expressions.ExpressionFailed:
        return True


def _task(rule: Rule, one: Subject, *, gated: bool) -> Task:
    return Task(
        delivery_id=one.id,
        handler=rule.name,
        key=worker_key(one.connection_id or one.source_id, rule.name),
        priority=rule.priority,
        lane=_lane(rule, one),
        gated=gated,
        reason=nobody_has(rule.name) if rule.missed else None,
    )


def _lane(rule: Rule, one: Subject) -> str | None:
    if rule.ordered_by is None:
        return None
    if rule.ordered_by == OrderedBy.OBJECT:
        return f"{one.entity}/{one.object}" if one.object else None
    return one.account if rule.ordered_by == OrderedBy.ACCOUNT else one.source_id


def behind(task: Task) -> Task:
    """The same task in the lane beside its own, where it waits for all that came in meanwhile."""
    if task.lane is None:
        return task
    return replace(task, lane=f"{_BEHIND}{task.lane}")


def in_front(lane: str) -> str | None:
    """The lane that goes before this one; None where it stands behind none."""
    return lane.removeprefix(_BEHIND) if lane.startswith(_BEHIND) else None


def worker_key(place: str, handler: str) -> str:
    """What wakes the worker of a handler: handlers do not wait for each other."""
    return f"{place}/{handler}"


def function_of(key: str) -> str | None:
    """The name of the function that a worker's key is about; None for what every process can do."""
    name = key.partition("/")[2]
    return None if name in BUILT_IN or name.startswith(RESERVED) else name


def nobody_has(name: str) -> str:
    """Why what is to be done by a function waits."""
    return f"No running process has the function {name}. Start the service that registers it, or retire it."


def hops_of(document: Json) -> int:
    """The count that a forwarded message carries."""
    if not isinstance(document, dict) or document.get("type") != RECEIVED:
        return 0
    hops = walk(document, ("data", "hops"))
    return hops if isinstance(hops, int) and not isinstance(hops, bool) and 0 < hops < 1_000 else 0


def forwarded(rule: Rule, source_transform: str | None, one: Subject) -> dict[str, Any]:
    """What forwarding publishes; a body that is too large stays out unless a transformation makes it smaller.

    Raises ExpressionFailed.
    """
    document = one.document
    data: object = document
    for expression in (source_transform, rule.transform):
        if expression is not None:
            data = expressions.evaluate(expression, data)
    omitted = data is document and len(one.body) > expressions.MOST_BYTES
    return {
        "provider": one.provider,
        "sourceId": one.source_id,
        "connectionId": one.connection_id,
        "event": one.event,
        "topic": one.topic,
        "object": one.object,
        "hops": one.hops + 1,
        "simulated": one.rehearsed,
        "payload": None if omitted else data,
        "payloadOmitted": omitted,
    }
