"""`/api/customers`: what is kept of a person, and that nothing is any more (security.md ER-02, ER-03)."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from isthmus.connect.shapes import Customer
from isthmus.features.orders import service
from isthmus.features.orders.model import PERSONAL, REDACT, whom
from isthmus.features.orders.routes.orders import OrderDetailOut, detail_out
from isthmus.http import Answer, Routes, ScopeDep, Wire, document
from isthmus.kit.errors import NotFound

customers = Routes(prefix="/api/customers", tag="Orders")


class PersonIn(Wire):
    """Somebody by an address of mail or a telephone number; whoever has one of the two is meant."""

    email: Annotated[str, Field(max_length=320)] | None = None
    phone: Annotated[str, Field(max_length=50)] | None = None


class PersonRedactedOut(Answer, frozen=True, kw_only=True):
    """How many customers were erased, and how many orders that named the person without being a customer's."""

    customers: int
    orders: int


class FoundCustomerOut(Answer, frozen=True, kw_only=True):
    """Somebody as a platform knows them."""

    id: str
    connection_id: str
    provider: str
    external_id: str
    name: str | None
    email: str | None
    phone: str | None


class FoundPersonOut(Answer, frozen=True, kw_only=True):
    """What is kept of a person in every shop; `hasMore` says that there are more orders than one answer holds."""

    customers: list[FoundCustomerOut]
    orders: list[OrderDetailOut]
    has_more: bool


@customers.post(
    "/find",
    permission=PERSONAL,
    limit="other",
    response_model=FoundPersonOut,
    summary="What is kept of a person",
    deadline=600.0,
    secret_fields=("customers", "orders"),
)
async def find_person(scope: ScopeDep, body: PersonIn) -> Response:
    """Customers with this address or number, their orders, and orders that name the person; the log says who asked.

    At most a thousand orders. For a repeated Idempotency-Key what was found is not shown again.
    """
    found = await service.find_person(scope, whom(body.email, body.phone))
    people = [_customer(*one) for one in found.customers]
    orders = [detail_out(one) for one in found.orders]
    return document(FoundPersonOut(customers=people, orders=orders, has_more=found.has_more))


@customers.post(
    "/redact",
    permission=REDACT,
    limit="other",
    response_model=PersonRedactedOut,
    summary="Erase a person",
    deadline=600.0,
)
async def redact_person(scope: ScopeDep, body: PersonIn) -> Response:
    """In every shop: the customers with this address or number and what is personal of their orders, for good."""
    gone = await service.redact_person(scope, whom(body.email, body.phone))
    return document(PersonRedactedOut(customers=gone.customers, orders=gone.orders))


@customers.post(
    "/{id}/redact",
    permission=REDACT,
    limit="other",
    response_model=None,
    summary="Erase a customer",
    status=204,
    errors=(NotFound,),
)
async def redact_customer(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """Name, addresses and notes go from the customer and from all their orders, for good; goods and money stay."""
    await service.redact(scope, id)
    return Response(status_code=204)


def _customer(held: service.Held, known: Customer) -> FoundCustomerOut:
    return FoundCustomerOut(
        id=held.id,
        connection_id=held.connection_id,
        provider=held.provider,
        external_id=held.external_id,
        name=known.name,
        email=known.email,
        phone=known.phone,
    )
