"""Document 003's client, written the Python way, and transformers in order."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from isthmus.client import ApiClient, RateLimit, Retry, dates_in, dates_out, money_in, money_out
from isthmus.kit.money import Money

Replies = Callable[..., bytes]


def fields(data: object) -> dict[str, object]:
    assert isinstance(data, dict)
    return data


async def test_the_first_example_of_document_003(far_side: Any, respond: Replies) -> None:
    far_side.answer("/users", respond(body=b'{"id": 7, "name": "John Doe"}'))
    far_side.answer("/users/7", respond(body=b'{"id": 7, "name": "Jane Doe"}'))
    client = ApiClient(
        base_url=far_side.url,
        headers={"Authorization": "Bearer token", "Content-Type": "application/json"},
        retry=Retry(max_attempts=3, backoff="exponential", initial_delay=1.0, max_delay=10.0),
        rate_limit=RateLimit(max_requests=50, window=60, strategy="sliding"),
        transformers={
            "request": lambda data: {**fields(data), "timestamp": 1},
            "response": lambda data: {**fields(data), "receivedAt": 2},
        },
    )
    users = await client.get("/users", query={"page": 1, "limit": 10})
    new_user = await client.post("/users", {"name": "John Doe", "email": "john@example.com"})
    assert isinstance(new_user.body, dict)
    updated = await client.put(f"/users/{new_user.body['id']}", {"name": "Jane Doe"})
    await client.aclose()
    assert users.body == {"id": 7, "name": "John Doe", "receivedAt": 2}
    assert updated.body == {"id": 7, "name": "Jane Doe", "receivedAt": 2}
    assert far_side.seen[1].body == b'{"name":"John Doe","email":"john@example.com","timestamp":1}'


async def test_dates_and_money_cross_over_exactly(far_side: Any, respond: Replies) -> None:
    body = b'{"at": "2026-01-01T08:00:00+00:00", "price": {"amount": "0.10", "currency": "EUR"}, "sku": "2026-01"}'
    far_side.answer("/x", respond(body=body))
    both = {"request": (money_out, dates_out), "response": (dates_in, money_in)}
    async with ApiClient(far_side.url, transformers=both) as api:
        at = datetime(2026, 1, 1, 8, tzinfo=UTC)
        response = await api.post("/x", {"at": at, "lines": [{"price": Money(Decimal("12.50"), "EUR")}]})
    assert response.body == {"at": at, "price": Money(Decimal("0.10"), "EUR"), "sku": "2026-01"}
    assert far_side.seen[0].body == (
        b'{"at":"2026-01-01T08:00:00+00:00","lines":[{"price":{"amount":"12.5","currency":"EUR"}}]}'
    )
