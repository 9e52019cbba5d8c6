"""`python -m tools.reference` writes the reference pages and the snapshots; `--check` names those that differ."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg
from tools.reference import api, crypto, pages, snapshots, webhooks

ROOT = Path(__file__).resolve().parents[2]
PAGES = "docs/reference"
SNAPSHOTS = "tests/house/snapshots"
SCHEMA = f"{SNAPSHOTS}/schema.sql"

#: What is made from the code alone.
MADE: Mapping[str, Callable[[], str]] = {
    f"{PAGES}/settings.md": pages.settings,
    f"{PAGES}/events.md": pages.events,
    f"{PAGES}/errors.md": pages.errors,
    f"{PAGES}/client-errors.md": pages.client_errors,
    f"{PAGES}/permissions.md": pages.permissions,
    f"{PAGES}/crypto.md": crypto.inventory,
    f"{PAGES}/api.md": api.text,
    f"{PAGES}/openapi.json": api.document_text,
    webhooks.GUIDE: lambda: webhooks.guide(ROOT),
    webhooks.TYPES: webhooks.types,
    f"{SNAPSHOTS}/permissions.txt": snapshots.permissions,
    f"{SNAPSHOTS}/routes.txt": snapshots.routes,
}


async def _schema() -> str:
    # the tests' own server: test mode, no durability, gone afterwards
    from tests.house_database import server  # noqa: PLC0415 - only where a database is wanted

    async with server() as running:
        connection = await asyncpg.connect(running.address("postgres", "isthmus"))
        try:
            return await snapshots.schema(connection)
        finally:
            await connection.close()


def differing(made: Mapping[str, str]) -> list[str]:
    """The files that are not what was made."""
    return [name for name, text in made.items() if _read(ROOT / name) != text]


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def main(words: list[str]) -> int:
    """Write or compare; 1 when something differs, 2 for words that mean nothing here."""
    if words not in ([], ["--check"]):
        sys.stderr.write("usage: python -m tools.reference [--check]\n")
        return 2
    made = {name: make() for name, make in MADE.items()}
    made[SCHEMA] = asyncio.run(_schema())
    changed = differing(made)
    for name in changed:
        sys.stdout.write(f"{name}: {'differs from the code' if words else 'written'}\n")
        if not words:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(made[name], "utf-8")
    if not changed:
        sys.stdout.write("reference: as the code says\n")
    return 1 if changed and words else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
