"""Forms of strangers: few and short parts, nothing in memory, nothing left behind (security.md PA-10)."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi import Form, UploadFile
from tests.http.conftest import Lab, MakeLab

from isthmus.http import Routes, document
from isthmus.kit.permissions import USER, permission

USE = permission("forms:use", "use it", USER)
_BOUNDARY = "b0undary"


def routes() -> Routes:
    made = Routes(prefix="/api/forms", tag="Forms")

    @made.post("", permission=USE, limit="other", response_model=None, summary="Post", body_cap=50_000_000)
    async def post(file: UploadFile, note: str = Form("")) -> Any:
        size = 0
        while piece := await file.read(262_144):
            size += len(piece)
        return document({"size": size, "note": len(note), "name": file.filename})

    return made


def part(name: str, value: bytes = b"x", *more: str, file: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
    head = "\r\n".join([f"--{_BOUNDARY}", f"Content-Disposition: {disposition}", *more])
    return head.encode() + b"\r\n\r\n" + value + b"\r\n"


END = f"--{_BOUNDARY}--\r\n".encode()
FILE = part("file", b"a,b\r\n", file="a.csv")


async def sent(here: Lab, body: bytes | AsyncIterator[bytes]) -> tuple[int, Any]:
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    answer = await here.call("POST", "/api/forms", content=body, headers=here.signed() | {"content-type": kind})
    return answer.status_code, answer.json()


async def test_a_form_within_the_limits_is_read(lab: MakeLab) -> None:
    status, body = await sent(lab(routes()), FILE + part("note", b"x" * 60_000) + END)
    assert (status, body) == (200, {"size": 5, "note": 60_000, "name": "a.csv"})


@pytest.mark.parametrize(
    "parts",
    [
        [FILE, *(part(f"f{n}") for n in range(101))],
        [part(f"file{n}", file="a") for n in range(5)],
        [FILE, part("note", b"x" * 65_537)],
        [FILE, part("n" * 257)],
        [FILE, part("n" * 10_000)],
        [FILE, part("note", b"x", f"X-Long: {'y' * 9_000}")],
        [FILE, part("note", b"x", *(f"X-{n}: y" for n in range(50)))],
    ],
    ids=["fields", "files", "value", "name", "long name", "head", "heads"],
)
async def test_PA_10_parts_are_few_and_short(lab: MakeLab, parts: Sequence[bytes]) -> None:
    status, body = await sent(lab(routes()), b"".join([*parts, END]))
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert "form" in body["error"]["message"]


@pytest.mark.parametrize("more", [{}, {"idempotency-key": "one-form-of-many"}], ids=["plain", "keyed"])
async def test_a_form_that_no_disk_takes_is_no_mistake_of_its_sender(
    lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    here = lab(routes())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    large = part("file", b"x" * 1_500_000, file="a.csv") + END
    headers = here.signed() | {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"} | more
    answer = await here.call("POST", "/api/forms", content=large, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert "could not be stored" in answer.json()["error"]["message"]


async def test_PA_10_a_hundred_thousand_parts_are_not_even_read(lab: MakeLab) -> None:
    taken = 0

    async def many() -> AsyncIterator[bytes]:
        nonlocal taken
        for first in range(0, 100_000, 100):
            taken += 1
            yield b"".join(part(f"f{n}") for n in range(first, first + 100))
        yield END

    status, _ = await sent(lab(routes()), many())
    assert status == 400
    assert taken < 5


def _messages(pieces: Iterable[bytes]) -> list[dict[str, Any]]:
    return [
        *({"type": "http.request", "body": one, "more_body": True} for one in pieces),
        {"type": "http.disconnect"},
    ]


async def test_PA_10_an_upload_that_breaks_off_leaves_nothing(
    lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = lab(routes())
    # large enough to have gone to disk by the time the line breaks
    coming = _messages([part("file", b"", file="a.csv").rstrip(), b"\r\n\r\n", *[bytes(262_144)] * 10])
    process, told = psutil.Process(), []
    opened = process.num_fds()
    most = 0

    async def receive() -> Any:
        nonlocal most
        most = max(most, process.num_fds())
        return coming.pop(0)

    async def send(message: Any) -> None:
        told.append(message)

    kind = f"multipart/form-data; boundary={_BOUNDARY}".encode()
    signed = here.signed()["authorization"].encode()
    headers = [(b"host", b"localhost"), (b"authorization", signed), (b"content-type", kind)]
    headers.append((b"transfer-encoding", b"chunked"))
    scope = {"type": "http", "method": "POST", "path": "/api/forms", "query_string": b"", "headers": headers}
    await here.app({**scope, "raw_path": b"/api/forms", "client": ("203.0.113.9", 1), "scheme": "http"}, receive, send)
    assert coming == []
    assert most == opened + 1
    assert process.num_fds() == opened
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []
