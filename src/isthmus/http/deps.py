"""What an endpoint may ask for: its scope, the facts of its request, and on public routes the platform's own hand."""

from typing import Annotated

from fastapi import Depends, Request

from isthmus.http.asgi import KEY
from isthmus.http.exchange import Exchange, RequestFacts
from isthmus.http.idempotency import with_key
from isthmus.kit.errors import Unauthenticated
from isthmus.scope import Scope, System


async def open_scope(request: Request) -> Scope:
    """The scope of the signed-in principal."""
    exchange: Exchange = request.scope[KEY]
    if exchange.principal is None:
        raise Unauthenticated
    opened: Scope = request.app.open_scope(exchange.principal, exchange.facts)
    return opened if exchange.taking is None else with_key(opened, exchange.taking)


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
