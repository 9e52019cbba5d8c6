# ruff: noqa: ARG002 - the signatures are the contract's
"""The far side of the benchmarks and its connector: an account by key, a few records, and bad days by name."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from isthmus.client import ApiClient, Failure, RefreshRefused, Request, Response, Tokens
from isthmus.client.judge import by_status
from isthmus.connect.manifest import Manifest
from isthmus.connect.record import Record
from isthmus.connect.registry import Found
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import (
    Account,
    App,
    Callback,
    Consent,
    ConsentDenied,
    FoundRecord,
    Granted,
    RawRecord,
    RecordPage,
    SearchFor,
    Session,
    Unmappable,
    Window,
)
from isthmus.connectors import tiki
from isthmus.kit.clock import Clock

_ITEMS = [{"id": str(n), "title": f"Shirt {n}", "state": "new", "size": n} for n in range(20)]


async def _answer(request: web.Request) -> web.StreamResponse:
    account = request.headers.get("authorization", "").removeprefix("Bearer ")
    if request.path == "/me":
        return web.json_response({"id": account})
    if account.startswith("hang"):
        await asyncio.sleep(3600)
    if account.startswith("fail"):
        return web.json_response({"error": "broken"}, status=500)
    return web.json_response(_ITEMS)


async def serve(port: int) -> web.AppRunner:
    """Answer on this loopback port."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


class Bench:
    """The connector without a search of its own."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:
        """Nobody consents here."""
        return app.hosts["api"]

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """Nobody comes back."""
        raise ConsentDenied("none")

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """There are no codes."""
        return ()

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:
        """Keys do not end."""
        raise RefreshRefused("none")

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:
        """Keys end at the far side."""
        return False

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:
        """The key as a bearer token."""
        return request.with_headers({"Authorization": f"Bearer {app.secret('api_key')}"})

    def classify(self, response: Response) -> Failure | None:
        """By its status."""
        return by_status(response)

    async def test(self, session: Session) -> Account:
        """Who the far side says we are."""
        answer = await session.client.get("/me")
        return Account(msgspec.json.decode(answer.content, type=dict[str, str])["id"])

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """There are none."""
        return RecordPage([], None)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        """There are none."""
        raise Unmappable("none")

    async def pull(self, session: Session, entity: str, window: Window, cursor: str | None) -> RecordPage:
        """The items, in one page."""
        rows: list[dict[str, Any]] = msgspec.json.decode((await session.client.get("/items")).content)
        return RecordPage([RawRecord(row["id"], msgspec.json.encode(row)) for row in rows], None)

    def map(self, entity: str, record: RawRecord, account: Account) -> Record:
        """One item."""
        row = msgspec.json.decode(record.payload)
        return Record(row["id"], row["title"], body={"state": row["state"], "size": row["size"]})


class Finder(Bench):
    """The connector with a search of its own."""

    search_filters: frozenset[str] = frozenset()

    async def search(self, session: Session, wanted: SearchFor) -> Sequence[FoundRecord]:
        """All items."""
        rows: list[dict[str, Any]] = msgspec.json.decode((await session.client.get("/search")).content)
        return [FoundRecord("items", row["id"], row["title"]) for row in rows]


def providers(url: str) -> dict[str, Found]:
    """`bench` and `finder`, whose far side is at this address."""
    made = {}
    for name, kind in (("bench", Bench), ("finder", Finder)):
        facts: dict[str, Any] = {
            "id": name,
            "names": {"en": name.title()},
            "category": "custom",
            "integration_type": "custom",
            "description": "For benchmarks.",
            "auth": "api_key",
            "api_version": "1",
            "documentation_url": "https://docs.example.com",
            "hosts": {"api": url},
            "credential_fields": [{"name": "api_key", "label": "Key", "secret": True}],
            "entities": [
                {"name": "products", "display_name": "Products", "shard_type": "product"},
                {"name": "items", "display_name": "Items", "shard_type": "item", "fields": ["state", "size"]},
            ],
        }
        manifest = msgspec.convert(facts, Manifest)
        made[name] = Found(manifest, kind(manifest), Path(tiki.__file__).parent)
    return made


async def _main(port: int) -> None:
    await serve(port)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
