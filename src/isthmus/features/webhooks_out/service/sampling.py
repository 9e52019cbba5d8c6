"""Sends an endpoint what somebody else would send it: samples of platforms, signed as they sign."""

from collections.abc import Callable, Mapping

from isthmus.features.webhooks_out.errors import EndpointIdle, EndpointNotFound
from isthmus.features.webhooks_out.service import sending
from isthmus.features.webhooks_out.service.sending import Answered, Sender
from isthmus.features.webhooks_out.store import endpoints as store
from isthmus.scope import Scope

#: Given the endpoint's address: the headers and the body.
Make = Callable[[str], tuple[Mapping[str, str], bytes]]


async def send_as(scope: Scope, endpoint_id: str, make: Make) -> Answered:  # house: silent - the caller tells of it
    """Send it now, once, through the guard that every message goes through; nothing of it is kept.

    Only an endpoint that has answered its ping is sent anything (security.md WH-10). Raises EndpointNotFound,
    EndpointIdle, and what `make` raises.
    """
    async with scope.tx() as tx:
        endpoint = await store.endpoint(tx, endpoint_id)
        if endpoint is None:
            raise EndpointNotFound
        if endpoint.state == "unverified":
            raise EndpointIdle
        keys = await sending.open_keys(scope, tx, endpoint)
    headers, body = make(endpoint.url)
    return await scope.part(Sender).post_as(keys, headers, body, scope.clock)
