"""`isthmus listen`: forwards what comes in for a tenant to a developer's own machine, as it was sent."""

import asyncio
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer

from isthmus.client import ApiClient, ClientError
from isthmus.kit.text import terminal

_REMEMBERED = 5_000
_HIDDEN = "***"
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
    body_base64: str


class _Page(msgspec.Struct, rename="camel"):
    items: list[_Item]
    next: str
    has_more: bool


def listen(
    to: Annotated[str, typer.Argument(help="Where to send it, such as http://localhost:3000/hooks.")],
    key: Annotated[
        str, typer.Option(envvar="ISTHMUS_API_KEY", prompt="API key", hide_input=True, help="Best in the environment.")
    ],
    *,
    api: Annotated[str, typer.Option(help="The deployment's address.")] = "http://127.0.0.1:8080",
    source: Annotated[str, typer.Option(help="Only what comes in at this source.")] = "",
    event: Annotated[str, typer.Option(help="Only this event, such as order.updated.")] = "",
    every: Annotated[float, typer.Option(help="Seconds between looks.", min=0.1)] = 1.0,
    times: Annotated[int, typer.Option(help="Looks until it ends by itself; 0 for none.", min=0)] = 0,
) -> None:
    """Forward what comes in from now on to an address of this machine, with its headers and exact body."""
    wanted = {name: value for name, value in (("sourceId", source), ("event", event)) if value}
    try:
        asyncio.run(_listen(to, {"x-api-key": key}, f"{api.rstrip('/')}/api/webhooks/feed", wanted, (every, times)))
    except KeyboardInterrupt:
        typer.echo("Ended.")
    except ClientError as failure:
        typer.echo(f"{failure.kind}: {terminal(failure.message)}", err=True)
        raise typer.Exit(1) from None


async def _listen(
    to: str, headers: Mapping[str, str], feed: str, wanted: Mapping[str, str], pace: tuple[float, int]
) -> None:
    every, times = pace
    seen: OrderedDict[str, None] = OrderedDict()
    after: str | None = None
    looks = 0
    async with ApiClient(headers=headers) as deployment, ApiClient() as local:
        while not times or looks < times:
            looks += 1
            page = (await deployment.get(feed, query={**wanted, **({} if after is None else {"after": after})})).decode(
                _Page
            )
            after = page.next
            for one in page.items:
                if one.delivery.id not in seen:
                    seen[one.delivery.id] = None
                    await _pass_on(local, to, one)
            while len(seen) > _REMEMBERED:
                seen.popitem(last=False)
            if looks != times:
                await asyncio.sleep(0 if page.has_more else every)


async def _pass_on(local: ApiClient, to: str, one: _Item) -> None:
    """Send one as it came; what the deployment hides is left out."""
    kept = {
        name: value for name, value in one.headers.items() if name not in _NOT_PASSED_ON and value != _HIDDEN
    }  # fmt: skip
    kept |= {"isthmus-delivery": one.delivery.id, "isthmus-event": one.delivery.event}
    url = f"{to}?{one.query}" if one.query and "?" not in to else to
    try:
        answer = await local.request("POST", url, content=b64decode(one.body_base64), headers=kept)
        how = str(answer.status)
    except ClientError as failure:
        how = f"{failure.kind}: {failure.message}"
    typer.echo(terminal(f"{one.delivery.received_at}  {one.delivery.event}  {one.delivery.id}  {how}"))
