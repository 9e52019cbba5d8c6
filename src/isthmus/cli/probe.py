"""`isthmus probe`: calls through the resilient client, shown step by step: attempts, waits, cache and breaker."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from isthmus.client import (
    AddressGuard,
    ApiClient,
    AttemptEnded,
    BreakerRule,
    Cache,
    CacheDecided,
    CallEnded,
    ClientError,
    RateLimit,
    Request,
    Response,
    Retry,
    Waited,
    redact,
)
from isthmus.client.breaker import Changed
from isthmus.kit.clock import SYSTEM
from isthmus.kit.text import terminal


class Trace:
    """A hook that keeps what it is told as rows: seconds since the start, what, and how it went."""

    def __init__(self) -> None:
        self._start = SYSTEM.monotonic()
        self.rows: list[tuple[str, str, str]] = []

    def add(self, what: str, how: str) -> None:
        """One more row, now."""
        at = SYSTEM.monotonic() - self._start
        self.rows.append((f"{at:8.3f}", what, terminal(how)))

    def __call__(self, event: object) -> None:
        if isinstance(event, AttemptEnded):
            self.add(f"attempt {event.attempt}", f"{_outcome(event)} after {event.seconds * 1000:.1f} ms")
        elif isinstance(event, Waited):
            self.add("wait", f"{event.seconds:.3f} s ({event.cause.replace('_', ' ')})")
        elif isinstance(event, CacheDecided):
            self.add("cache", event.decision)
        elif isinstance(event, Changed):
            self.add("breaker", f"{event.before} -> {event.after}")
        elif isinstance(event, CallEnded):
            source = "cache" if event.response is not None and event.response.from_cache else "far side"
            how = event.error.kind if event.error is not None else f"answered from {source}"
            self.add("call", f"{how}: {event.attempts} attempts, {event.waited:.3f} s waited, {event.seconds:.3f} s")


def _outcome(event: AttemptEnded) -> str:
    if event.response is not None:
        verdict = f", judged {event.failure.kind}" if event.failure is not None else ""
        return f"HTTP {event.response.status}, {len(event.response.content)} bytes{verdict}"
    return f"{event.error.kind}: {redact.text(event.error.message, 200)}" if event.error is not None else "cancelled"


def probe(  # noqa: PLR0913 - a command's options
    url: Annotated[str, typer.Argument(help="The URL to call.")],
    *,
    method: Annotated[str, typer.Option("--method", "-X", help="HTTP method.")] = "GET",
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="Name: value; may be repeated.")] = None,
    times: Annotated[int, typer.Option(help="Calls in a row; the second shows what the cache does.", min=1)] = 2,
    attempts: Annotated[int, typer.Option(help="Attempts per call.", min=1)] = 3,
    deadline: Annotated[float, typer.Option(help="Total seconds per call.", min=0.001)] = 15.0,
    rate: Annotated[int, typer.Option(help="At most so many requests a second; 0 for no limit.", min=0)] = 0,
    public_only: Annotated[bool, typer.Option(help="Refuse addresses that are not on the public Internet.")] = False,
    allow: Annotated[list[str] | None, typer.Option(help="Networks let through with --public-only.")] = None,
) -> None:
    """Call a URL through the resilient client and show each attempt, wait, cache decision and breaker state, timed."""
    trace = Trace()
    client: dict[str, object] = {
        "retry": Retry(max_attempts=attempts),
        "rate_limit": RateLimit(max_requests=rate, window=1.0) if rate else None,
        "guard": AddressGuard(allow=allow or ()) if public_only or allow else None,
        "headers": _headers(header or []),
    }
    console = Console(highlight=False)
    result = asyncio.run(_calls(trace, url, method.upper(), times, deadline, client))
    table = Table("seconds", "step", "outcome", box=None, pad_edge=False)
    for row in trace.rows:
        table.add_row(*row)
    console.print(table)
    if isinstance(result, ClientError):
        console.print(f"\n{result.kind}: {terminal(redact.text(result.message, 300))}", markup=False)
        console.print(f"sent: {_yes(result.sent)}, safe to retry: {_yes(result.retry_safe)}", markup=False)
        console.print(f"cure: {result.CURE}", markup=False)
        raise typer.Exit(1)
    console.print(_summary(result), markup=False)


async def _calls(
    trace: Trace, url: str, method: str, times: int, deadline: float, options: dict[str, object]
) -> Response | ClientError:
    cache = Cache()
    result: Response | ClientError = Response(0, {})
    try:
        async with ApiClient(
            hooks=[trace],
            cache=cache,
            deadline=deadline,
            breaker=BreakerRule(),
            **options,  # type: ignore[arg-type] # the keys are the constructor's own
        ) as api:
            for _ in range(times):
                result = await api.request(method, url)
            if api.breaker is not None:
                for key, state in api.breaker.states().items():
                    trace.add("breaker", f"{key}: {state}")
    except ClientError as error:
        return error
    return result


def _headers(given: Sequence[str]) -> dict[str, str]:
    pairs = (one.partition(":") for one in given)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _summary(response: Response) -> str:
    kind = response.content_type or "no type"
    shown: list[str] = [f"\nHTTP {response.status}, {terminal(kind)}, {len(response.content)} bytes"]
    request: Request | None = response.request
    if request is not None:
        shown.append(f"from {terminal(redact.url(request.url))}")
    told = (
        name for name in ("Cache-Control", "ETag", "Retry-After", "X-RateLimit-Remaining") if name in response.headers
    )
    shown += [f"{name}: {terminal(response.headers[name][:200])}" for name in told]
    return "\n".join(shown)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
