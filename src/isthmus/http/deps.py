"""What an endpoint may ask for: its scope, the facts of its request, and on public routes the platform's own hand."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request

from isthmus.http.asgi import KEY
from isthmus.http.exchange import Exchange, RequestFacts
from isthmus.http.idempotency import with_key
from isthmus.kit.errors import Invalid, Unauthenticated
from isthmus.kit.etags import Seen
from isthmus.scope import Scope, System

_IF_MATCH = "If-Match"
_TAGS = 'Send the ETag of what you have read, in double quotes, such as "dGVh"; several with commas between them, or *.'


async def open_scope(request: Request) -> Scope:
    """The scope of the signed-in principal."""
    exchange: Exchange = request.scope[KEY]
    if exchange.principal is None:
        raise Unauthenticated
    opened: Scope = request.app.open_scope(exchange.principal, exchange.facts)
    declaration = exchange.route.declaration if exchange.route is not None else None
    if b"if-match" in exchange.headers and declaration is not None and declaration.if_changed is not None:
        opened = replace(opened, seen=_seen(request))
    return opened if exchange.taking is None else with_key(opened, exchange.taking)


def _seen(request: Request) -> Seen:
    try:
        return Seen.read(", ".join(request.headers.getlist(_IF_MATCH)))
    except ValueError:
        raise Invalid.field(_IF_MATCH, _TAGS) from None


async def _facts(request: Request) -> RequestFacts:
    exchange: Exchange = request.scope[KEY]
    return exchange.facts


async def _system(request: Request) -> System:
    system: System = request.app.system
    return system


#: One tenant, one principal: for every route that somebody signed in for.
ScopeDep = Annotated[Scope, Depends(open_scope)]
#: Request id and address.
FactsDep = Annotated[RequestFacts, Depends(_facts)]
#: For PUBLIC routes that must find out first whose request this is, such as an OAuth callback.
SystemDep = Annotated[System, Depends(_system)]
