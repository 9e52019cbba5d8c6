"""Files of strangers reach nothing but the store: what is written is read back, and no address in them is dialled."""

import asyncio
import csv
import io
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.given import records as shelf
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features.uploads import State
from isthmus.features.uploads.model.cells import plain
from isthmus.features.uploads.service import exporting
from isthmus.kit import text
from isthmus.scope import Scope

_INTERNAL = ("http://169.254.169.254/latest/meta-data", "http://10.0.0.1:9200/_all", "http://metadata.internal/x")


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    yield given.scope(database, tmp_path, page=500)
    await shelf.clear(copied)


def test_CS_02_twenty_thousand_rows_of_formulas_are_read_back_as_they_were() -> None:
    chance = random.Random(7)
    signs = "=+-@'\t\r\n\uff1d\uff0b\uff0d\uff20\",; ab"
    rows = [["".join(chance.choices(signs, k=chance.randint(0, 6))) for _ in range(4)] for _ in range(20_000)]
    written = exporting.errors_file(rows).decode()
    read = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert [[text.unguarded(cell) for cell in row] for row in read] == rows
    assert not any(cell[:1] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20" for row in read for cell in row if cell)


@pytest.mark.parametrize(
    ("cell", "value"), [("'=1+1", "=1+1"), ("'abc", "'abc"), ("''x", "'x"), (" '-5 ", "-5"), ("'", "'")]
)
def test_CS_02_a_mark_is_taken_away_only_where_one_was_needed(cell: str, value: str) -> None:
    assert plain(cell) == value


async def test_CS_07_addresses_in_a_file_are_texts_and_nobody_dials_them(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[object] = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connecting(self: socket.socket, address: object) -> None:
        dialled.append(address)
        connect(self, address)  # type: ignore[arg-type] # whatever was asked for

    def resolving(host: object, *more: object, **named: object) -> object:
        dialled.append(host)
        return resolve(host, *more, **named)  # type: ignore[arg-type] # as above

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(socket.socket, "connect", connecting)
    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    for name in ("create_connection", "sock_connect", "getaddrinfo"):
        real = getattr(loop, name)

        async def asking(*given_: object, _real: object = real, **named: object) -> object:
            dialled.append(given_)
            return await _real(*given_, **named)  # type: ignore[operator] # the loop's own

        monkeypatch.setattr(loop, name, asking)
    images = [" ".join(f"{one}/{number}" for one in _INTERNAL) for number in range(1_000)]
    rows = "".join(f"p{n},Tea {n},T-{n},2.50,1,{urls},{_INTERNAL[0]}\r\n" for n, urls in enumerate(images))
    upload = await given.taken(scope, f"product_id,title,sku,price,stock,images,url\r\n{rows}")
    assert (upload.state, upload.created) == (State.SUCCEEDED, 1_000)
    told = str(dialled)
    assert not any(place in told for place in ("169.254", "10.0.0.1", "metadata"))
