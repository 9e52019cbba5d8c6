"""What an event is: a fact with a name, written to the log in the transaction of its cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact. Subclasses name it in `type` and say which object it is about."""

    type: ClassVar[str]
    #: Public events may leave the house through outbound webhooks; their `body` is all that leaves.
    public: ClassVar[bool] = False
    #: Kept by the audit log: a change made by a person or a key, not a record of a sync run.
    audited: ClassVar[bool] = True
    #: JSON schemas of the properties of `body`, for the receivers of public events.
    data: ClassVar[Mapping[str, Any]] = {}
    #: Of those schemas: grows when a property goes or changes its meaning, not when one is added.
    version: ClassVar[int] = 1

    subject: str
    body: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
