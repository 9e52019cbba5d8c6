"""Which listings are one product: suggested, linked, parted."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from isthmus.features.links.errors import NotLinkable, NotLinked
from isthmus.features.links.service import linking
from isthmus.http import Answer, Routes, ScopeDep, Wire, created, document
from isthmus.kit.errors import NotFound
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission("links:read", "See which listings are one product", SUPER_ADMIN, TENANT_ADMIN, USER)
LINK = permission("links:manage", "Link listings, and set the stock that shops share", TENANT_ADMIN)
routes = Routes(prefix="/api/links", tag="Products")
_Id = Annotated[str, Field(min_length=1, max_length=64)]


class LinkMember(Answer, frozen=True, kw_only=True):
    """A variant that shares a SKU or a barcode with others."""

    listing_id: str
    variant: str
    connection_id: str
    product_id: str
    title: str


class SuggestionOut(Answer, frozen=True, kw_only=True):
    """What looks like one product and why; `ambiguous` where one connection sells it more than once."""

    by: str
    value: str
    reason: str
    ambiguous: bool
    members: list[LinkMember]


class SuggestionList(Answer, frozen=True, kw_only=True):
    """Suggestions in the order of their values; `next` is the place to go on from."""

    items: list[SuggestionOut]
    next: str | None


class LinkListings(Wire):
    """Listings that are one product: `productId`, or the oldest of theirs."""

    listing_ids: Annotated[list[_Id], Field(min_length=1, max_length=100)]
    product_id: _Id | None = None


class AcceptSuggestions(Wire):
    """Which suggestions: those of these values, or the first 100."""

    by: Literal["sku", "barcode"] = "sku"
    values: Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=100)] | None = None


class UnlinkListing(Wire):
    """A listing that is a product of its own."""

    listing_id: _Id


class LinkedOut(Answer, frozen=True, kw_only=True):
    """The product that a listing belongs to now."""

    product_id: str


class LeftOut(Answer, frozen=True, kw_only=True):
    """A suggestion that was not followed, and why."""

    value: str
    reason: str


class AcceptedOut(Answer, frozen=True, kw_only=True):
    """The products that came of it, and what is left for a person."""

    product_ids: list[str]
    left: list[LeftOut]


@routes.get("/suggestions", permission=READ, limit="other", response_model=SuggestionList, summary="What might be one")
async def list_suggestions(
    scope: ScopeDep,
    by: Annotated[Literal["sku", "barcode"], Query()] = "sku",
    after: Annotated[str, Query(max_length=200, description="`next` of an earlier answer.")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    """Variants of several connections under one SKU (trimmed, case kept), or else one barcode.

    A new variant of a linked listing is linked by the same rule; where it is not clear what it is, it stands here.
    """
    found = await linking.suggestions(scope, by, after, limit + 1)
    shown = found[:limit]
    following = shown[-1].value if len(found) > limit else None
    return document(SuggestionList(items=[_suggestion(one) for one in shown], next=following))


@routes.post(
    "",
    permission=LINK,
    limit="other",
    response_model=LinkedOut,
    summary="Make listings one product",
    status=201,
    errors=(NotFound, NotLinkable),
)
async def link_listings(scope: ScopeDep, body: LinkListings) -> Response:
    """Their variants are matched by SKU, then by barcode; where each sells one thing, these are the same."""
    product_id = await linking.link(scope, body.listing_ids, body.product_id)
    return created(LinkedOut(product_id=product_id), location=f"/api/products/{product_id}")


@routes.post("/accept", permission=LINK, limit="other", response_model=AcceptedOut, summary="Follow suggestions")
async def accept_suggestions(scope: ScopeDep, body: AcceptSuggestions) -> Response:
    """Ambiguous ones are left to a person: duplicates are reported and never merged."""
    found = await linking.accept(scope, body.by, body.values)
    left = [LeftOut(value=value, reason=reason) for value, reason in found.left.items()]
    return document(AcceptedOut(product_ids=list(found.products), left=left))


@routes.post(
    "/unlink",
    permission=LINK,
    limit="other",
    response_model=LinkedOut,
    summary="Part a listing from its product",
    errors=(NotFound, NotLinked),
)
async def unlink_listing(scope: ScopeDep, body: UnlinkListing) -> Response:
    """It becomes a product of its own and keeps the stock that it shows."""
    return document(LinkedOut(product_id=await linking.unlink(scope, body.listing_id)))


def _suggestion(one: linking.Suggestion) -> SuggestionOut:
    members = [
        LinkMember(
            listing_id=member.listing_id,
            variant=member.variant,
            connection_id=member.connection_id,
            product_id=member.product_id,
            title=member.title,
        )
        for member in one.members
    ]
    word = "SKU" if one.by == "sku" else "barcode"
    plain = f"{len({member.connection_id for member in members})} connections sell the {word} {one.value}."
    reason = one.reason or plain
    return SuggestionOut(by=one.by, value=one.value, reason=reason, ambiguous=one.ambiguous, members=members)
