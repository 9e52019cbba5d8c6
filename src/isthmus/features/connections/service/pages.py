"""The hosted connect page: a connect token is exchanged once for a browser's own proof, and that browser connects."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from isthmus.features import access
from isthmus.features.connections.errors import ConnectSessionInvalid, OriginRefused
from isthmus.features.connections.events import ConnectPageOpened, ConnectSessionUsed
from isthmus.features.connections.model import connecting as model
from isthmus.features.connections.model import returns
from isthmus.features.connections.model.connecting import ConnectSession, Stage
from isthmus.features.connections.model.connection import Status, reachable
from isthmus.features.connections.model.flow import Outcome
from isthmus.features.connections.service import connecting, starting
from isthmus.features.connections.service.connecting import Caller, Offer
from isthmus.features.connections.service.starting import Started
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connecting as store
from isthmus.features.connections.store import connections
from isthmus.kit import ids
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

PATH = "/connect"
#: What the return address is told where a person turned back.
_CANCELLED = "cancelled"
_OUTCOMES = frozenset(one.value for one in Outcome)


@dataclass(frozen=True, slots=True)
class Entered:
    """A page that was opened: the cookie that proves its browser from now on."""

    session: ConnectSession
    cookie_name: str
    cookie: Secret


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows: it asks for credentials or a consent, or says how it ended."""

    offer: Offer
    asker: str
    #: Where the browser goes at the end, with our answer in it; None where it stays here.
    back: str | None
    #: How a consent failed: one of `Outcome`, or anything else where the way back was not ours.
    failed: str = ""
    done: bool = False
    #: Why it cannot go on, as `model.refusal` says.
    over: str = ""


async def enter(system: System, caller: Caller, token: Secret) -> Entered:
    """Exchange a token for a page. A page of the session's origin shows it, or our own, which read it from a link.

    Opening it again ends the page that was open before. Raises ConnectSessionInvalid, OriginRefused.
    """
    async with system.tx() as tx:
        found = await store.by_token(tx, model.digest(token))
    if found is None:
        raise connecting.refused("unknown")
    scope = connecting.scope_of(system, caller, found)
    settings = scope.part(Settings)
    if caller.origin not in {found.origin, returns.origin_of(settings.public_url)}:
        raise OriginRefused
    await connecting.check_usable(scope, found)
    proof = Secret(ids.token(model.TOKEN_BITS))
    async with scope.tx() as tx:
        await store.update_page(tx, found.id, model.page_digest(proof))
        tx.emit(ConnectPageOpened(subject=found.id))
    return Entered(found, model.page_cookie(found.id, secure=settings.secure), proof)


async def look(
    system: System, caller: Caller, session_id: str, cookies: Mapping[str, str], came_back: Mapping[str, str]
) -> View:
    """What the page shows; `came_back` is what a consent's return has added. Raises ConnectSessionInvalid."""
    found = await _believed(system, session_id, cookies)
    scope = connecting.scope_of(system, caller, found)
    if came_back.get("status") == "connected":
        found = await _settled(scope, found, came_back.get("connectionId", ""))
    return await _view(scope, found, came_back)


@dataclass(frozen=True, slots=True)
class Filled:
    """What was filled in, and whether a consent was chosen where there is another way too."""

    keys: Mapping[str, Secret]
    consent: bool = False


async def begin(system: System, caller: Caller, session_id: str, cookies: Mapping[str, str], filled: Filled) -> Started:
    """Connect with what was filled in, or begin the consent, which comes back to the page.

    Raises ConnectSessionInvalid, and what connecting raises.
    """
    found = await _believed(system, session_id, cookies)
    scope = connecting.scope_of(system, caller, found)
    await connecting.check_usable(scope, found)
    home = f"{scope.part(Settings).public_url.rstrip('/')}{PATH}/{found.id}"
    return await connecting.begin(scope, found, filled.keys, home, asked=filled.consent)


async def _believed(system: System, session_id: str, cookies: Mapping[str, str]) -> ConnectSession:
    proof = cookies.get(model.page_cookie(session_id, secure=system.engine.part(Settings).secure), "")
    async with system.tx() as tx:
        found = await store.by_page(tx, model.page_digest(Secret(proof))) if proof else None
    if found is None or found.id != session_id:
        raise connecting.refused("unknown")
    return found


async def _settled(scope: Scope, found: ConnectSession, connection_id: str) -> ConnectSession:
    """The session is used up once the connection that its consent ended with works."""
    async with scope.tx() as tx:
        made = await connections.by_id(tx, connection_id)
        works = made is not None and made.status is Status.CONNECTED and reachable(made, scope.principal)
        if not works or found.state is not Stage.STARTED:
            return found
        if await store.update_stage(tx, found.id, [Stage.STARTED], Stage.USED, connection=connection_id):
            tx.emit(ConnectSessionUsed(subject=found.id, body={"connectionId": connection_id}))
    return replace(found, state=Stage.USED, connection_id=connection_id)


async def _view(scope: Scope, found: ConnectSession, came_back: Mapping[str, str]) -> View:
    offer = await connecting.offered(scope, found)
    asker = await _asker(scope)
    if found.state is Stage.USED:
        answer = {"status": "connected", "connectionId": found.connection_id or ""}
        return View(offer, asker, await _back(scope, found, answer), done=True)
    failed = came_back.get("error", "unknown") if came_back.get("status") == "failed" else ""
    told = failed if failed in _OUTCOMES else _CANCELLED
    back = await _back(scope, found, {"status": "failed", "error": told})
    try:
        await connecting.check_usable(scope, found)
    except ConnectSessionInvalid as ended:
        return View(offer, asker, back, failed, over=str(ended.details["reason"]))
    return View(offer, asker, back, failed)


async def _asker(scope: Scope) -> str:
    """Who asks, by name (OA-18)."""
    try:
        return (await access.tenant(scope, scope.tenant_id)).name
    except access.TenantNotFound:
        return ""


async def _back(scope: Scope, found: ConnectSession, fields: Mapping[str, str]) -> str | None:
    """The session's return address, judged again now (OA-11)."""
    if found.return_url is None:
        return None
    try:
        address = returns.check(found.return_url, await starting.allowed_origins(scope))
    except ValueError:
        return None
    return returns.answer(address, fields)


def link_of(scope: Scope, token: Secret) -> Secret:
    """The address of the page for a token, which stands where no server and no log sees it: behind the `#`."""
    return Secret(f"{scope.part(Settings).public_url.rstrip('/')}{PATH}#{token.reveal()}")
