"""The knobs of the HTTP edge, and the classes of rate limits (design/api.md, Rate limits; security.md RL-11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from isthmus.kit import weakness
from isthmus.kit.weakness import Judge

T = TypeVar("T")

#: What a route counts against. The first six count per minute, tenant and principal; the last four guard routes that
#: nobody signs in for and count per minute and address.
LimitClass = Literal[
    "provider", "integration", "connection", "search", "widget", "event", "other", "callback", "hook", "login", "open"
]

LIMITS: Mapping[LimitClass, int] = {
    "provider": 100,
    "integration": 200,
    "connection": 50,
    "search": 30,
    "widget": 100,
    "event": 6000,
    "other": 200,
    "callback": 60,
    "hook": 6000,
    "login": 30,
    "open": 600,
}
BY_ADDRESS: frozenset[LimitClass] = frozenset({"callback", "hook", "login", "open"})
#: What keeps guesses at credentials slow.
GUARDING: tuple[LimitClass, ...] = ("callback", "login")
#: What takes the lower lane, and how many of one tenant a process works on at once: lists that are searched, files
#: that are written out (piece by piece), searches of connected systems, which mostly wait, and what is counted or
#: planned over much that is stored.
HeavyClass = Literal["list", "export", "search", "plan"]
HEAVY: Mapping[HeavyClass, int] = {"list": 2, "export": 2, "search": 8, "plan": 1}
#: What the database works for all the while: it takes half of the processors at most.
FOR_HALF: frozenset[HeavyClass] = frozenset({"list", "export"})
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def _knob(default: T, description: str, weak: Judge | None = None) -> T:
    # dataclasses.field is typed as the value it will hold; the dictionary below is what `isthmus check` prints
    told = {"description": description, **({"weak": weak} if weak is not None else {})}
    made: Any = (
        field(default_factory=lambda: dict(default), metadata=told)
        if isinstance(default, dict)
        else field(default=default, metadata=told)
    )
    return made  # type: ignore[no-any-return]  # what dataclasses.field itself pretends


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How the edge listens, whom it believes and what it admits."""

    hosts: tuple[str, ...] = _knob(LOOPBACK_HOSTS, "Names this server answers to in the Host header; others get 421.")
    trusted_proxies: tuple[str, ...] = _knob(
        (),
        "Networks (CIDR) of proxies whose X-Forwarded-For is believed, counted from the right.",
        weakness.trusting("callers can name the address that limits and the log know them by"),
    )
    cors_origins: tuple[str, ...] = _knob(
        (),
        "Exact origins, such as https://app.example.com, that may call the API.",
        weakness.plain_addresses("pages that anybody on the way can change may call the API"),
    )
    limits: Mapping[str, int] = _knob(
        {},
        "Requests per minute for a limit class, where it differs from the default.",
        weakness.raised({name: LIMITS[name] for name in GUARDING}, "guesses are tried faster than by default"),
    )
    tenant_factor: int = _knob(10, "A tenant's limit as a multiple of one principal's.")
    heavy: Mapping[str, int] = _knob(
        {},
        "Heavy requests of one tenant that a process answers at once, by class (list, export, search, plan), where "
        "it differs from the default, which for list and export is half of the processors, 1 or 2; the others wait in "
        "the tenant's own line.",
    )
    heavy_factor: int = _knob(2, "All tenants' heavy requests at once as a multiple of one tenant's.")
    heavy_waiting: int = _knob(100, "Most heavy requests of one tenant and class that wait; others get 429.")
    heavy_seconds: float = _knob(10.0, "Longest time a heavy request waits for its turn before it gets 429.")
    heavy_patience: float = _knob(0.01, "Longest time a heavy request stands back for light ones under way.")
    failures_per_minute: int = _knob(
        100,
        "Refused sign-ins per minute and address before the address has to wait.",
        weakness.above(100, "credentials are guessed faster than by default"),
    )
    step_up_seconds: float = _knob(
        600.0,
        "How long a session's last proof of who it is suffices for keys, roles, exports and the like.",
        weakness.above(3600.0, "a browser that was left alone can do what is dangerous for more than an hour"),
    )
    head_bytes: int = _knob(64 * 1024, "Largest request head in bytes.")
    head_fields: int = _knob(100, "Most header fields of a request.")
    head_seconds: float = _knob(5.0, "Longest time a request head may take.")
    keep_alive_seconds: float = _knob(15.0, "How long an idle connection stays open.")
    body_bytes: int = _knob(1024 * 1024, "Largest request body in bytes, where a route does not say otherwise.")
    held_bytes: int = _knob(
        256 * 1024 * 1024,
        "Most bytes of request bodies that a process holds at once, half of them of one tenant; others get 503.",
    )
    body_seconds: float = _knob(10.0, "Time a body may take before it must arrive at 1 KiB per second.")
    request_seconds: float = _knob(30.0, "Longest time a request may take, streams apart.")
    connections: int = _knob(1000, "Most open connections.")
    connections_per_address: int = _knob(200, "Most open connections of one address.")
    streams_per_principal: int = _knob(5, "Most open event streams of one principal.")
    streams_per_tenant: int = _knob(100, "Most open event streams of one tenant in a process.")
    heartbeat_seconds: float = _knob(15.0, "Pause after which an event stream sends a comment to stay open.")
    stalled_seconds: float = _knob(
        20.0, "How long a reader of an event stream may take none of it before it is dropped."
    )
    stop_seconds: float = _knob(10.0, "How long requests in flight may go on once the server stops.")
    metrics: bool = _knob(True, "Whether figures for Prometheus are served at /metrics.")
    metrics_address: str = _knob(
        "", "Serve the figures, and the health of the process, at this host:port alone, workers included."
    )
    development_key: bool = _knob(False, "The signing key is the development key: only loopback binds are allowed.")

    def __post_init__(self) -> None:
        for one in fields(self):
            least = {int: 1, float: 0}.get(one.type) if isinstance(one.type, type) else None
            if least is not None and (value := getattr(self, one.name)) < least:
                raise ValueError(f"ISTHMUS_HTTP__{one.name.upper()} is {least} or more, not {value}")

    def limit(self, name: LimitClass) -> int:
        """Requests per minute of this class."""
        return self.limits.get(name, LIMITS[name])
