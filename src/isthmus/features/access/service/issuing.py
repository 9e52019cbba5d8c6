"""The issuers that people sign in at: where they take logins, and what they vouch for (OA-19)."""

import base64
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from isthmus.client import NEVER, AddressGuard, ApiClient, ClientError
from isthmus.features.access.errors import LoginRefused
from isthmus.features.access.model import logins as model
from isthmus.features.access.model.logins import Attempt, Endpoints
from isthmus.features.access.settings import LOGIN_PREFIX, GivenLogin
from isthmus.http import IdToken, Issuer, JwksKeys, read_id_token
from isthmus.http.errors import CannotStart
from isthmus.http.jwks import fetcher
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Unauthenticated, Unavailable

CALLBACK = "/api/auth/oidc/{name}/callback"
_DEADLINE_SECONDS = 8.0
_MAX_BYTES = 256 * 1024
_DISCOVERY = "/.well-known/openid-configuration"
_KEPT_SECONDS = 3600.0
_MOST_KEPT = 500


class _NoKeys:
    """Keys of an issuer that is only looked at."""

    async def key(self, _kid: str | None, _algorithm: str, /) -> None:
        """None."""


def check_login(one: GivenLogin) -> None:
    """Whether this issuer can be meant. Raises ValueError with the field's name before the first colon."""
    for name in ("issuer", "authorize_url", "token_url", "jwks_url"):
        place: str = getattr(one, name)
        if (place or name == "issuer") and not model.is_place(place):
            raise ValueError(f"{name}: not https, nor http on this machine")
    if set(one.algorithms) & {"HS256"}:
        raise ValueError("algorithms: only keys that the issuer publishes are believed")
    try:
        Issuer(name=one.issuer, keys=_NoKeys(), algorithms=one.algorithms, audience=one.client_id)
    except CannotStart as error:
        raise ValueError(f"algorithms: {error.message}") from None


def check_logins(given: Sequence[GivenLogin]) -> None:
    """Whether the issuers of an environment can be meant; for the start. Raises ValueError naming the variable."""
    for one in given:
        try:
            check_login(one)
        except ValueError as error:
            name, _, why = str(error).partition(": ")
            raise ValueError(f"{LOGIN_PREFIX}{one.name.upper()}__{name.upper()}: {why}") from None
    if len({one.issuer for one in given}) < len(given):
        raise ValueError(f"{LOGIN_PREFIX}: an issuer stands twice")


class Logins:
    """The issuers of this process's environment, and how any issuer is asked; its addresses when it is first needed.

    base: where browsers reach us. allow: networks where issuers may be that were added by API, beside the public
    Internet.
    """

    def __init__(self, given: Sequence[GivenLogin], base: str, allow: Sequence[str] = ()) -> None:
        self._given = {one.name: one for one in given}
        self._base = base.rstrip("/")
        self._allow = tuple(allow)
        self._endpoints: dict[str, tuple[Endpoints, float]] = {}
        self._keys: dict[tuple[str, bool], JwksKeys] = {}
        for one in given:
            if one.authorize_url:
                places = (one.authorize_url, one.token_url, one.jwks_url)
                self._endpoints[one.issuer] = Endpoints(*places), float("inf")

    @property
    def given(self) -> Mapping[str, GivenLogin]:
        """Those of the environment, by name."""
        return self._given

    def tighten(self, allow: Sequence[str]) -> None:
        """Let issuers that were added by API be in these networks only, from the next call on."""
        self._allow = tuple(allow)

    def redirect(self, name: str) -> str:
        """Where its answers come back to; the issuer has to know this address."""
        return self._base + CALLBACK.format(name=name)

    async def endpoints(self, given: GivenLogin, clock: Clock) -> Endpoints:
        """Where it takes logins. Raises Unavailable while it cannot be asked, or says that it is somebody else."""
        kept = self._endpoints.get(given.issuer)
        if kept is not None and kept[1] > clock.monotonic():
            return kept[0]
        try:
            found = await self.discovered(given)
        except ClientError:
            if kept is not None:
                return kept[0]
            raise Unavailable("The issuer cannot be reached; try again shortly.") from None
        if found is None:
            raise Unavailable("The issuer's own description is not what is configured here.")
        if given.issuer in self._endpoints or len(self._endpoints) < _MOST_KEPT:
            self._endpoints[given.issuer] = found, clock.monotonic() + _KEPT_SECONDS
        return found

    async def discovered(self, given: GivenLogin) -> Endpoints | None:
        """What its discovery document says now; None where that is another issuer's, or none. Raises ClientError."""
        address = given.issuer.rstrip("/") + _DISCOVERY
        async with self._client(given, address) as client:
            body: object = (await client.get(address, deadline=_DEADLINE_SECONDS)).body
        return model.read_discovery(body, given.issuer)

    async def vouched(self, given: GivenLogin, attempt: Attempt, answer: model.Answer, clock: Clock) -> IdToken:
        """Whom the issuer vouches for: the code's one exchange. Raises LoginRefused, Unavailable."""
        endpoints = await self.endpoints(given, clock)
        if answer.issuer not in (None, given.issuer) or (answer.issuer is None and endpoints.names_itself):
            raise LoginRefused("unconfirmed")
        if answer.code is None:
            raise LoginRefused("declined")
        text = await self._exchanged(given, endpoints, attempt, answer.code)
        issuer = Issuer(
            name=given.issuer,
            keys=self._keys_of(given, endpoints, clock),
            algorithms=given.algorithms,
            audience=given.client_id,
        )
        try:
            return await read_id_token(text, issuer, attempt.nonce, clock)
        except Unauthenticated:
            raise LoginRefused("unconfirmed") from None

    async def _exchanged(self, given: GivenLogin, endpoints: Endpoints, attempt: Attempt, code: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect(given.name),
            "code_verifier": attempt.verifier.reveal(),
        }
        headers = {"accept": "application/json"}
        if given.client_secret is None:
            form["client_id"] = given.client_id
        else:
            pair = f"{quote(given.client_id, safe='')}:{quote(given.client_secret.reveal(), safe='')}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        try:
            async with self._client(given, endpoints.exchange) as client:
                reply = await client.request(
                    "POST", endpoints.exchange, form=form, headers=headers, idempotent=False, deadline=_DEADLINE_SECONDS
                )
                body: object = reply.body
        except ClientError:
            raise LoginRefused("unconfirmed") from None
        found = body.get("id_token") if isinstance(body, Mapping) else None
        if not isinstance(found, str):
            raise LoginRefused("unconfirmed")
        return found

    def _keys_of(self, given: GivenLogin, endpoints: Endpoints, clock: Clock) -> JwksKeys:
        place = endpoints.jwks, given.by_operator
        if place not in self._keys:
            fetch = fetcher(endpoints.jwks, lambda: self._guard(given, endpoints.jwks))
            self._keys = {**dict(list(self._keys.items())[-_MOST_KEPT:]), place: JwksKeys(fetch, clock)}
        return self._keys[place]

    def _guard(self, given: GivenLogin, address: str) -> AddressGuard:
        """Where an operator named the host it may be an internal one."""
        return AddressGuard(allow=(model.host_of(address),) if given.by_operator else self._allow)

    def _client(self, given: GivenLogin, address: str) -> ApiClient:
        """Redirects may not lead elsewhere."""
        guard = self._guard(given, address)
        return ApiClient(guard=guard, retry=NEVER, breaker=None, redirects=0, max_body=_MAX_BYTES)
