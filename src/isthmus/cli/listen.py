"""`isthmus listen`: forwards what comes in for a tenant to a developer's own machine, as it was sent."""

import asyncio
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer

from isthmus.client import ApiClient, ClientError, EventSource, NetworkError, PlatformError, Retry
from isthmus.client.url import parse
from isthmus.kit.text import terminal

_REMEMBERED = 5_000
_HIDDEN = "***"
_REFUSED = (401, 403)
_FOR_EVER = Retry(max_attempts=1_000_000, initial_delay=1.0, max_delay=30.0)
#: What a client makes anew, and what stood between the platform and the deployment.
_NOT_PASSED_ON = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})


class _Delivery(msgspec.Struct, rename="camel"):
    id: str
    event: str
    received_at: str


class _Item(msgspec.Struct, rename="camel"):
    delivery: _Delivery
    headers: dict[str, str]
    query: str
    #: Null where it is too large for an event.
    body_base64: str | None


class _Page(msgspec.Struct, rename="camel"):
    items: list[_Item]


def listen(
    to: Annotated[str, typer.Argument(help="Where to send it, such as http://localhost:3000/hooks.")],
    key: Annotated[
        str, typer.Option(envvar="ISTHMUS_API_KEY", prompt="API key", hide_input=True, help="Best in the environment.")
    ],
    *,
    api: Annotated[str, typer.Option(help="The deployment's address.")] = "http://127.0.0.1:8080",
    source: Annotated[str, typer.Option(help="Only what comes in at this source.")] = "",
    event: Annotated[str, typer.Option(help="Only this event, or a group: order.updated, order.*.")] = "",
    count: Annotated[int, typer.Option(help="Deliveries until it ends by itself; 0 for none.", min=0)] = 0,
) -> None:
    """Forward what comes in from now on to an address of this machine, with its headers and exact body.

    It is told of each delivery as it comes in, and goes on where it stopped when the connection is cut.
    """
    wanted = {name: value for name, value in (("sourceId", source), ("event", event)) if value}
    log = f"{api.rstrip('/')}/api/webhooks"
    try:
        parse(to)
        asyncio.run(_listen(to, {"x-api-key": key}, log, wanted, count))
    except KeyboardInterrupt:
        typer.echo("Ended.")
    except ClientError as failure:
        typer.echo(_said(failure, api), err=True)
        raise typer.Exit(1) from None


def _said(failure: ClientError, api: str) -> str:
    """What went wrong, and what to look at."""
    if isinstance(failure, PlatformError) and failure.status in _REFUSED:
        return f"{terminal(api)} does not let this key in: it needs the permission webhook_log:read (ISTHMUS_API_KEY)."
    if isinstance(failure, NetworkError):
        return (
            f"{terminal(api)} cannot be reached ({terminal(failure.message)}): give the deployment's address by --api."
        )
    return f"{failure.kind}: {terminal(failure.message)}"


async def _listen(to: str, headers: Mapping[str, str], log: str, wanted: Mapping[str, str], count: int) -> None:
    seen: OrderedDict[str, None] = OrderedDict()
    passed, ready = 0, False
    # both come back: no breaker takes them for gone
    async with ApiClient(headers=headers, breaker=None) as deployment, ApiClient(breaker=None) as local:
        # what is wrong with the address or the key is said at once
        await deployment.get(f"{log}/feed", query={"limit": 1})
        async for told in EventSource(deployment, f"{log}/stream", query=wanted, retry=_FOR_EVER).events():
            if told.type != "delivery":
                if told.type == "ready" and not ready:
                    ready = True
                    typer.echo(
                        f"Connected: what comes in from now on goes to {terminal(to)}. Ctrl+C ends this.", err=True
                    )
                continue
            one = msgspec.json.decode(told.data, type=_Item)
            # after a cut some come again
            if one.delivery.id not in seen:
                seen[one.delivery.id] = None
                await _pass_on(local, to, one if one.body_base64 is not None else await _whole(deployment, log, one))
                passed += 1
            if count and passed >= count:
                return
            while len(seen) > _REMEMBERED:
                seen.popitem(last=False)


async def _whole(deployment: ApiClient, log: str, one: _Item) -> _Item:
    """A delivery whose body is too large for an event: read from the page that begins with it."""
    query: dict[str, str | int] = {"after": one.delivery.id[:-1], "limit": 1}
    return (await deployment.get(f"{log}/feed", query=query)).decode(_Page).items[0]


async def _pass_on(local: ApiClient, to: str, one: _Item) -> None:
    """Send one as it came; what the deployment hides is left out."""
    kept = {
        name: value for name, value in one.headers.items() if name not in _NOT_PASSED_ON and value != _HIDDEN
    }  # fmt: skip
    kept |= {"isthmus-delivery": one.delivery.id, "isthmus-event": one.delivery.event}
    url = f"{to}?{one.query}" if one.query and "?" not in to else to
    try:
        answer = await local.request("POST", url, content=b64decode(one.body_base64 or ""), headers=kept)
        how = str(answer.status)
    except ClientError as failure:
        how = f"{failure.kind}: {failure.message}"
    typer.echo(terminal(f"{one.delivery.received_at}  {one.delivery.event}  {one.delivery.id}  {how}"))
