"""Bad days on demand: faults per route, switched at run time (reference 12.1, Faults)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from isthmus.kit.errors import Invalid

#: Every kind and what it does to a matching request.
KINDS: Mapping[str, str] = {
    "latency": "wait `seconds` (default 0.2), then answer",
    "hang": "never answer: hold the connection for `seconds` (default 3600)",
    "reset": "reset the connection before the request is served",
    "server_error": "answer `status` (default 502) with an HTML page",
    "html": "answer 200 with an HTML page instead of JSON",
    "throttle": "answer the platform's throttle envelope",
    "expired_token": "end the access token of the request, then serve it",
    "revoked_token": "take back the whole authorization of the request, then serve it",
    "reorder": "list in a changed order: the last row comes first, all others move down by one",
    "lose": "list products without the last fifth of the rows, one at least, as if they were not there",
    "truncate": "answer with the first half of the body, correctly framed",
    "cut": "promise the whole body, send half, reset the connection",
    "slow_body": "send the body in eight pieces over `seconds` (default 2)",
    "drop_reply": "serve the request with all its effects, then reset the connection instead of answering",
    "patch": "serve the request, then lay the fields of `body` over the JSON answer, object by object",
    "replace": "answer `status` (default 200) with the JSON `body`",
}


@dataclass(slots=True, eq=False)
class Fault:
    """One switched-on fault; `times` counts down, None lasts until it is cleared."""

    id: int
    route: str
    kind: str
    times: int | None = None
    #: Matching requests that pass unharmed first.
    after: int = 0
    seconds: float | None = None
    status: int | None = None
    body: Mapping[str, object] = field(default_factory=dict)


class Faults:
    """The faults of one platform, tried in the order they were added."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._last = 0

    def add(  # one knob per property of a fault, all but two optional
        self,
        route: str,
        kind: str,
        times: int | None = None,
        *,
        after: int = 0,
        seconds: float | None = None,
        status: int | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Fault:
        """Switch a fault on for requests whose `METHOD /path` or `/path` matches the shell pattern `route`."""
        if kind not in KINDS:
            raise Invalid.field("kind", f"no fault is called {kind!r}; there are {', '.join(KINDS)}")
        self._last += 1
        fault = Fault(self._last, route, kind, times, after, seconds, status, dict(body or {}))
        self.active.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        """Switch one fault off, or all."""
        self.active = [fault for fault in self.active if fault_id is not None and fault.id != fault_id]

    def match(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, counted down."""
        for fault in self.active:
            if not (fnmatchcase(path, fault.route) or fnmatchcase(f"{method} {path}", fault.route)):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.active.remove(fault)
            return fault
        return None
