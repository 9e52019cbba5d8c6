"""Who is let through to a route: credentials, limits, permission, fresh proof, in this order."""

import logging
from collections.abc import Mapping
from typing import Protocol

from isthmus.http.addresses import limit_key
from isthmus.http.auth import Credentials, Doorkeeper, shown_credentials
from isthmus.http.browsers import check_cookie_counts
from isthmus.http.cors import for_page
from isthmus.http.deprecation import Stragglers
from isthmus.http.errors import PermissionDenied, StepUpRequired
from isthmus.http.exchange import Exchange, RequestFacts
from isthmus.http.limits import Limiter
from isthmus.http.routes import Declaration, Public
from isthmus.http.settings import HttpSettings
from isthmus.http.tokens import Overclaimed
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Forbidden, Problem, Unauthenticated
from isthmus.kit.permissions import BREAK_GLASS, Permission, Principal, SecondFactor

_SECOND_FACTOR: Mapping[SecondFactor, str] = {
    "missing": (
        "A super admin is let in with a second factor, and this account has none yet: get one with "
        "POST /api/auth/second-factor, and confirm it with a code of it at POST /api/auth/second-factor/confirm."
    ),
    "not_shown": (
        "This account has a second factor, and this session has not shown it: "
        "send a code of it to POST /api/auth/step-up."
    ),
}
_INSIDE = "This takes a fresh proof, which an operator inside a tenant cannot give: the tenant's own admins do it."
_security = logging.getLogger("isthmus.http.security")


class Refusals(Protocol):
    """Keeps what was refused to somebody who is known, for the audit log (AU-06); never waits."""

    def note(self, principal: Principal, facts: RequestFacts, asked: str, code: str) -> None:
        """`asked` is method and route, `code` that of the failure."""
        ...


class Gate:
    """Lets requests through to their routes."""

    def __init__(
        self,
        settings: HttpSettings,
        doorkeeper: Doorkeeper,
        limiter: Limiter,
        clock: Clock,
        refusals: Refusals | None = None,
    ) -> None:
        self._fresh_for = settings.step_up_seconds
        self._doorkeeper = doorkeeper
        self._limiter = limiter
        self._clock = clock
        self._refusals = refusals
        self._stragglers = Stragglers()

    async def admit(self, exchange: Exchange, method: str, declaration: Declaration) -> None:
        """Count the request and note its principal. Raises Refused, Unauthenticated, and what forbids it."""
        permission = declaration.permission
        if isinstance(permission, Public):
            exchange.standing = await self._limiter.admit(declaration.limit, "", limit_key(exchange.address))
            return
        principal = await self._principal(exchange, method, declaration)
        exchange.principal = principal
        exchange.standing = await self._limiter.admit(
            declaration.limit, principal.tenant_id, principal.id, most=principal.per_minute
        )
        if declaration.deprecated is not None and exchange.route is not None:
            self._stragglers.saw(exchange.route.path, declaration.deprecated, principal)
        try:
            self._check(principal, permission, declaration)
        except Forbidden as refused:
            self._tell(exchange, method, principal, refused)
            raise

    def _check(self, principal: Principal, permission: Permission, declaration: Declaration) -> None:
        if not principal.may(permission):
            raise _denied(principal, permission)
        if declaration.step_up and principal.kind == BREAK_GLASS:
            raise PermissionDenied(_INSIDE, details={"permission": permission.name})
        if declaration.step_up and principal.session:
            age = self._clock.now().timestamp() - principal.proved_at
            if age >= self._fresh_for:
                raise StepUpRequired(details={"withinSeconds": int(self._fresh_for)})

    def _tell(self, exchange: Exchange, method: str, principal: Principal, refused: Forbidden) -> None:
        about = {**refused.details, "principal": principal.id, "tenant": principal.tenant_id, "code": refused.code}
        _security.warning("permission refused", extra=about)
        self._note(exchange, method, principal, refused)

    def _note(self, exchange: Exchange, method: str, who: Principal, refused: Problem) -> None:
        if self._refusals is not None and exchange.route is not None:
            self._refusals.note(who, exchange.facts, f"{method} {exchange.route.path}", refused.code)

    async def _principal(self, exchange: Exchange, method: str, declaration: Declaration) -> Principal:
        try:
            credentials = shown_credentials(exchange.headers)
            _check_way(credentials, exchange, method, declaration)
        except (Unauthenticated, Forbidden):
            exchange.standing = self._limiter.failures(limit_key(exchange.address))
            raise
        found = self._doorkeeper.remembered(credentials) or await self._verified(exchange, credentials, method)
        if found.is_publishable:
            self._check_page(found, exchange, declaration)
        return found

    async def _verified(self, exchange: Exchange, credentials: Credentials, method: str) -> Principal:
        address = limit_key(exchange.address)
        if not self._doorkeeper.has_met(credentials):
            self._limiter.check_failures(address, credentials.prefix)
        try:
            return await self._doorkeeper.verify(credentials)
        except Unauthenticated as refused:
            self._limiter.count_failure(address, credentials.prefix)
            if isinstance(refused.__cause__, Overclaimed):
                self._note(exchange, method, refused.__cause__.who, refused)
            _security.warning("sign-in refused", extra={"address": exchange.address, "shown": credentials.kind})
            raise
        finally:
            exchange.standing = self._limiter.failures(address)

    def _check_page(self, found: Principal, exchange: Exchange, declaration: Declaration) -> None:
        """A publishable key is worth nothing elsewhere, or on a page that is not its own (AK-08)."""
        origin = exchange.headers.get(b"origin", b"").decode("latin-1")
        if not declaration.embed or origin not in found.origins:
            exchange.standing = self._limiter.failures(limit_key(exchange.address))
            raise Unauthenticated
        exchange.cors = for_page(origin.encode("latin-1"))


def _denied(principal: Principal, permission: Permission) -> PermissionDenied:
    about = {"permission": permission.name}
    if principal.second_factor is not None:
        about["secondFactor"] = principal.second_factor
        return PermissionDenied(_SECOND_FACTOR[principal.second_factor], details=about)
    return PermissionDenied(f"You lack the permission {permission.name} ({permission.description}).", details=about)


def _check_way(credentials: Credentials, exchange: Exchange, method: str, declaration: Declaration) -> None:
    """A browser's session counts for our own pages, and not where a request goes on to another system (SE-06).

    Nor does it where foreign pages ask: what they embed knows its reader by a token or a publishable key.
    """
    if credentials.kind != "cookie":
        return
    if declaration.passes_on or declaration.embed:
        raise Unauthenticated
    check_cookie_counts(method, exchange.headers)
