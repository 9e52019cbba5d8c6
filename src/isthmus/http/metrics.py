"""`/metrics` in the form of Prometheus: what the edge counts itself, and what the rooms tell when they are asked.

Labels are route templates, methods, classes of status and names of limits, jobs, states and providers: nothing that
names a tenant, a user, a shop or an address (security.md HE-13).
"""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence

from starlette.responses import Response

from isthmus.http.routes import PUBLIC, Routes
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem
from isthmus.kit.figures import Figure

#: Asked at most once in `_FRESH_SECONDS`, however often the page is read.
Figures = Callable[[], Awaitable[Sequence[Figure]]]

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_FRESH_SECONDS = 5.0
_ASK_SECONDS = 5.0
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ROUTELESS = "(none)"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Served:
    """How often, and how long, one kind of request was answered."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.seconds = 0.0


class Traffic:
    """What was asked of this process; one dictionary look-up and one search of fourteen numbers per request."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str, int], _Served] = {}
        self._refused: dict[str, int] = {}

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request. `route` is its template, or empty where none was found."""
        key = (route, method, status // 100)
        served = self._served.get(key)
        if served is None:
            key = (route or _ROUTELESS, method if method in _METHODS else "other", status // 100)
            served = self._served.setdefault(key, _Served())
        served.buckets[bisect_left(_BOUNDS, seconds)] += 1
        served.seconds += seconds

    def refused(self, limit: str) -> None:
        """Count one request that a limit turned away."""
        self._refused[limit] = self._refused.get(limit, 0) + 1

    def lines(self) -> Iterator[str]:
        """The counts in the text form."""
        yield "# HELP isthmus_http_request_seconds Requests by route, method and class of status."
        yield "# TYPE isthmus_http_request_seconds histogram"
        for (route, method, status), served in sorted(self._served.items()):
            labels = _labels({"route": route, "method": method, "status": f"{status}xx"})
            total = 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), served.buckets, strict=True):
                total += count
                yield f'isthmus_http_request_seconds_bucket{{{labels},le="{bound}"}} {total}'
            yield f"isthmus_http_request_seconds_sum{{{labels}}} {served.seconds:.6f}"
            yield f"isthmus_http_request_seconds_count{{{labels}}} {total}"
        yield "# HELP isthmus_http_limited_total Requests refused by a rate limit, by its class."
        yield "# TYPE isthmus_http_limited_total counter"
        for limit, count in sorted(self._refused.items()):
            yield f"isthmus_http_limited_total{{{_labels({'class': limit})}}} {count}"


def _labels(values: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def figure_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Figures in the text form, each kind under its own heading."""
    by_name: dict[str, list[Figure]] = {}
    for figure in figures:
        by_name.setdefault(figure.name, []).append(figure)
    for name, same in by_name.items():
        yield f"# HELP {name} {same[0].about}"
        yield f"# TYPE {name} {'counter' if same[0].total else 'gauge'}"
        for figure in same:
            labels = _labels(dict(figure.labels))
            yield f"{name}{{{labels}}} {figure.value:.15g}" if labels else f"{name} {figure.value:.15g}"


class _Kept:
    """The rooms' figures, remembered for a moment: the page is open to all and must not become a load."""

    def __init__(self, ask: Figures, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._figures: Sequence[Figure] = ()
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def get(self) -> Sequence[Figure]:
        async with self._asking:
            if self._clock.monotonic() >= self._until:
                self._figures = await self._fresh()
                self._until = self._clock.monotonic() + _FRESH_SECONDS
            return self._figures

    async def _fresh(self) -> Sequence[Figure]:
        up = "isthmus_rooms_answer", "Whether the rooms could be asked for their figures."
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                return [*await self._ask(), Figure(*up, 1)]
        except (Problem, TimeoutError):
            return [Figure(*up, 0)]


def metrics_routes(traffic: Traffic, ask: Figures, clock: Clock) -> Routes:
    """`/metrics` over what this process counted and what the rooms tell."""
    # The library starts a registry of its own on import; only who serves the page needs it.
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415 - see above

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    kept = _Kept(ask, clock)
    routes = Routes(prefix="", tag="Health")

    @routes.get(
        "/metrics",
        permission=PUBLIC,
        limit="open",
        response_model=None,
        summary="Figures for Prometheus",
        media_type="text/plain; version=0.0.4",
    )
    async def metrics() -> Response:
        """Counts and times by route, and what waits where; no label names a tenant, a user, a shop or an address."""
        lines = [*traffic.lines(), *figure_lines(await kept.get())]
        body = generate_latest(registry) + "\n".join([*lines, ""]).encode()
        return Response(body, headers={"content-type": _CONTENT_TYPE, "cache-control": "no-store"})

    return routes
