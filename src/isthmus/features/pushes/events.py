"""Facts about pushes and conflicts."""

from collections.abc import Mapping
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}
_COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
_ANY: Mapping[str, Any] = {"type": ["string", "number", "boolean", "null"]}


class PushRequested(Event):
    """Somebody wants values at far sides."""

    type: ClassVar[str] = "push.requested"


class PushFinished(Event):
    """Every item of a push has ended, each in its own way."""

    type: ClassVar[str] = "push.finished"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {
        "pushId": _TEXT,
        **dict.fromkeys(("done", "agreed", "refused", "yielded", "superseded", "cancelled"), _COUNT),
    }


class PushCancelled(Event):
    """Somebody took back what had not been sent yet."""

    type: ClassVar[str] = "push.cancelled"


class ConflictOpened(Event):
    """Both sides changed a field, and a person is to decide; other fields go on."""

    type: ClassVar[str] = "conflict.opened"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("conflictId", "connectionId", "listingId", "variant", "field"), _TEXT),
        **dict.fromkeys(("ours", "theirs"), _ANY),
    }


class ConflictResolved(Event):
    """A conflict was decided: by a person, or by itself, because one side changed and both agree, or a rule decides."""

    type: ClassVar[str] = "conflict.resolved"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"conflictId": _TEXT, "winner": _TEXT, "value": _ANY}


class ConflictUndone(Event):
    """Somebody took a decision back: the value that had lost is wanted again."""

    type: ClassVar[str] = "conflict.undone"


class RulesSet(Event):
    """Somebody set the rules that decide conflicts."""

    type: ClassVar[str] = "conflict.rules_set"


EMITS = (PushRequested, PushFinished, PushCancelled, ConflictOpened, ConflictResolved, ConflictUndone, RulesSet)
