"""Logins at issuers: a member's own, and those of members as admins see them (security.md OA-03, OA-19)."""

from datetime import datetime

from starlette.responses import Response

from isthmus.features.access.errors import IdentityNotFound, LastWayIn, MemberNotFound, NotYourself
from isthmus.features.access.routes.accounts import OWN
from isthmus.features.access.routes.members import MANAGE
from isthmus.features.access.service import linking
from isthmus.http import Answer, Routes, ScopeDep, SystemDep, document, no_content

mine = Routes(prefix="/api/auth/identities", tag="Accounts")
theirs = Routes(prefix="/api/tenant/members/{id}/identities", tag="Accounts")


class IdentityOut(Answer, frozen=True, kw_only=True):
    """A login of somebody: whose at which issuer, and under which name that is offered here."""

    id: str
    issuer: str
    subject: str
    linked_at: datetime
    name: str | None
    label: str | None


class IdentityList(Answer, frozen=True, kw_only=True):
    """Somebody's logins, the oldest first, and whether there is a password beside them."""

    items: list[IdentityOut]
    has_password: bool


@mine.get(
    "",
    permission=OWN,
    limit="other",
    response_model=IdentityList,
    summary="Your logins at issuers",
)
async def list_identities(system: SystemDep, scope: ScopeDep) -> Response:
    """How you come in: whether with a password, and by which logins. One without a `name` is at an issuer that is not
    offered any more. Keys, and people who have their account at another issuer, have none.
    """
    return document(_out(await linking.ways_in(system, scope)))


@mine.delete(
    "/{identity_id}",
    permission=OWN,
    limit="other",
    response_model=None,
    summary="Take a login of yours away",
    status=204,
    errors=(MemberNotFound, IdentityNotFound, LastWayIn),
    step_up=True,
)
async def unlink(system: SystemDep, scope: ScopeDep, identity_id: str) -> Response:
    """Every other session of yours ends. The last way in stays."""
    await linking.unlink(system, scope, identity_id)
    return no_content()


@theirs.get(
    "",
    permission=MANAGE,
    limit="other",
    response_model=IdentityList,
    summary="Somebody's logins at issuers",
    errors=(MemberNotFound,),
)
async def list_members_identities(system: SystemDep, scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the parameter's name on the wire
    """How they come in: whether with a password, and by which logins. One without a `name` is at an issuer that is not
    offered any more.
    """
    return document(_out(await linking.ways_of(system, scope, id)))


@theirs.delete(
    "/{identity_id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Take somebody's login away",
    status=204,
    errors=(MemberNotFound, IdentityNotFound, NotYourself),
    step_up=True,
)
async def remove_members_identity(scope: ScopeDep, id: str, identity_id: str) -> Response:  # noqa: A002 - as above
    """Every session of theirs ends. The last login can go too: whoever has no password then comes in again with one
    that they set by `POST /api/tenant/members/{id}/password-reset`. API keys that they made stay.
    """
    await linking.unlink_of(scope, id, identity_id)
    return no_content()


def _out(found: linking.Ways) -> IdentityList:
    """How somebody comes in, on the wire."""
    items = [
        IdentityOut(
            id=one.id,
            issuer=one.issuer,
            subject=one.subject,
            linked_at=one.linked_at,
            name=given.name if given else None,
            label=given.label if given else None,
        )
        for one, given in found.logins
    ]
    return IdentityList(items=items, has_password=found.has_password)
