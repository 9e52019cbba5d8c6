"""`python -m bench.pull.server PORT COUNT PAGE`: a product API that costs nothing, its pages serialised beforehand.

GET /products?page=K answers {"products": [...], "total": N, "next": K+1 or null}, pages counted from 1.
"""

import asyncio
import json
import random
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

_TEXT = """
áo thun nam nữ cotton giày da túi xách thời trang váy đầm slim fit cổ điển 100% & co. size chart màu đỏ xanh trắng
women dress "classic" summer basic linen
"""
_WORDS = _TEXT.split()
_VENDORS = ("Sông Hồng", "Acme", "Mây Trắng")


def product(number: int, draw: random.Random) -> dict[str, Any]:
    """One product of about 700 bytes, as a small shop system would answer it."""
    day, hour, minute = draw.randint(1, 19), draw.randint(0, 23), draw.randint(0, 59)
    return {
        "id": number,
        "sku": f"SKU-{number:06d}",
        "title": " ".join(draw.choices(_WORDS, k=6)),
        "description": f"<p>{' '.join(draw.choices(_WORDS, k=60))}</p>",
        "vendor": draw.choice(_VENDORS),
        "price": f"{draw.randint(1000, 9_999_999) / 100:.2f}",
        "currency": "VND",
        "stock": draw.randint(0, 500),
        "status": draw.choice(("active", "draft")),
        "updated_at": f"2026-11-{day:02d}T{hour:02d}:{minute:02d}:00Z",
        "barcode": str(draw.randint(10**12, 10**13 - 1)),
        "weight_g": draw.randint(10, 9000),
        "tags": draw.choices(_WORDS, k=3),
        "image": f"https://img.example.test/{number}.jpg",
    }


def answer(body: bytes) -> bytes:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def pages(count: int, size: int) -> list[bytes]:
    """Every page as it goes over the wire; the same for the same numbers."""
    draw = random.Random(count)
    last = -(-count // size)
    made = []
    for page in range(1, last + 1):
        items = [product(number, draw) for number in range((page - 1) * size, min(page * size, count))]
        following = page + 1 if page < last else None
        body = {"products": items, "total": count, "page": page, "next": following}
        made.append(answer(json.dumps(body, ensure_ascii=False).encode()))
    return made


async def _serve(port: int, count: int, size: int) -> None:
    made = pages(count, size)
    empty = answer(json.dumps({"products": [], "total": count, "next": None}).encode())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                page = int(query.get("page", ["1"])[0])
                writer.write(made[page - 1] if 1 <= page <= len(made) else empty)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:4])))
