"""`isthmus sandbox`: emulated marketplaces on loopback ports, to try connectors and clients against."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from isthmus.cli.running import run, stopping
from isthmus.sandbox import CatalogueProduct, SandboxServer, Shop, discover, read_csv

Name = Annotated[str | None, typer.Argument(help="One marketplace; all of them when left out.")]
Port = Annotated[
    int, typer.Option(min=0, max=65_000, help="Port of the first one, the next ones follow; 0 picks free ones.")
]
Products = Annotated[int, typer.Option(min=0, max=1_000_000, help="Products of each main seller, when generated.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same ids, data and tokens.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="For programs: one line of JSON, and the end when standard input closes.")
]
Catalog = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Fill the main sellers' shops from a product file (CSV)."),
]


def sandbox(
    name: Name = None,
    port: Port = 0,
    products: Products = 60,
    seed: Seed = 1,
    catalog: Catalog = None,
    as_json: AsJson = False,
) -> None:
    """Run emulated marketplaces until Ctrl-C; prints their addresses, application credentials and sellers."""
    names = [name] if name is not None else list(discover())
    ports = {each: port + number for number, each in enumerate(names)} if port else {}
    catalogue = read_csv(catalog) if catalog is not None else None
    server = SandboxServer(names, seed=seed, products=products, catalogue=catalogue, ports=ports)
    run(_serve_program(server) if as_json else _serve(server, catalogue))


async def _serve_program(server: SandboxServer) -> None:
    """One line of JSON, then serve until the program that started this one closes our standard input."""
    with stopping() as stop:
        async with server:
            shown = {
                name: {"hosts": shop.hosts, "app": shop.apps[0].credentials} for name, shop in server.shops.items()
            }
            typer.echo(json.dumps(shown))
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, sys.stdin.buffer.read).add_done_callback(lambda _: stop.set())
            await stop.wait()


async def _serve(server: SandboxServer, catalogue: list[CatalogueProduct] | None) -> None:
    console = Console(highlight=False)
    with stopping() as stop:
        async with server:
            for shop in server.shops.values():
                console.print(_table(shop))
                _print_apps(console, shop)
            if catalogue is not None:
                console.print(f"The main sellers offer the {len(catalogue)} products of the file.")
            console.print("Faults, clock, throttle and recording: POST and GET under /_sandbox of each address.")
            console.print("Ctrl-C ends the sandboxes; nothing is kept.")
            await stop.wait()


def _table(shop: Shop) -> Table:
    table = Table("what", "name", "values", title=f"{shop.title}  {shop.base_url}", title_justify="left")
    for key, address in shop.hosts.items():
        if address != shop.base_url:
            table.add_row("host", key, address)
    for seller in shop.sellers:
        state = ", blocked" if seller.blocked else ""
        table.add_row(
            "seller", f"{seller.name} ({seller.country})", f"{seller.id}, {seller.shelf.size} listings{state}"
        )
    return table


def _print_apps(console: Console, shop: Shop) -> None:
    """Each credential on a line of its own, whole and without a frame, as `isthmus provider set` takes it."""
    for app in shop.apps:
        console.print(f"{app.name}{' (in-house)' if app.owner is not None else ''}", markup=False)
        for key, value in app.credentials.items():
            console.print(f"{key}={value}", markup=False, soft_wrap=True)
    console.print()
