"""The issuers that people sign in at: where they take logins, and what they vouch for (OA-19)."""

import base64
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from isthmus.client import NEVER, AddressGuard, ApiClient, ClientError
from isthmus.features.access.errors import LoginNotFound, LoginRefused
from isthmus.features.access.model import logins as model
from isthmus.features.access.model.logins import Attempt, Endpoints
from isthmus.features.access.settings import LOGIN_PREFIX, GivenLogin
from isthmus.http import IdToken, Issuer, JwksKeys, read_id_token
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Unauthenticated, Unavailable

CALLBACK = "/api/auth/oidc/{name}/callback"
_DEADLINE_SECONDS = 8.0
_MAX_BYTES = 256 * 1024
_DISCOVERY = "/.well-known/openid-configuration"
_KEPT_SECONDS = 3600.0


class _NoKeys:
    """Keys of an issuer that is only looked at."""

    async def key(self, _kid: str | None, _algorithm: str, /) -> None:
        """None."""


def check_logins(given: Sequence[GivenLogin]) -> None:
    """Whether these issuers can be meant; for the start. Raises ValueError, CannotStart."""
    for one in given:
        said = f"{LOGIN_PREFIX}{one.name.upper()}__"
        for place in (one.issuer, *filter(None, (one.authorize_url, one.token_url, one.jwks_url))):
            if not model.is_place(place):
                raise ValueError(f"{said}: {place!r} is not https, nor http on this machine")
        if set(one.algorithms) & {"HS256"}:
            raise ValueError(f"{said}ALGORITHMS: only keys that the issuer publishes are believed")
        Issuer(name=one.issuer, keys=_NoKeys(), algorithms=one.algorithms, audience=one.client_id)
    if len({one.issuer for one in given}) < len(given):
        raise ValueError(f"{LOGIN_PREFIX}: an issuer stands twice")


class Logins:
    """The configured issuers of this process; it asks each for its addresses when it is first needed."""

    def __init__(self, given: Sequence[GivenLogin], base: str) -> None:
        self._given = {one.name: one for one in given}
        self._base = base.rstrip("/")
        self._endpoints: dict[str, tuple[Endpoints, float]] = {}
        self._keys: dict[str, JwksKeys] = {}
        for one in given:
            if one.authorize_url:
                places = (one.authorize_url, one.token_url, one.jwks_url)
                self._endpoints[one.name] = Endpoints(*places), float("inf")

    @property
    def every(self) -> Sequence[GivenLogin]:
        """All of them, by name."""
        return list(self._given.values())

    def named(self, name: str) -> GivenLogin:
        """One of them. Raises LoginNotFound."""
        if name not in self._given:
            raise LoginNotFound
        return self._given[name]

    def redirect(self, name: str) -> str:
        """Where its answers come back to; the issuer has to know this address."""
        return self._base + CALLBACK.format(name=name)

    async def endpoints(self, given: GivenLogin, clock: Clock) -> Endpoints:
        """Where it takes logins. Raises Unavailable while it cannot be asked, or says that it is somebody else."""
        kept = self._endpoints.get(given.name)
        if kept is not None and kept[1] > clock.monotonic():
            return kept[0]
        address = given.issuer.rstrip("/") + _DISCOVERY
        try:
            async with _client(address) as client:
                body: object = (await client.get(address, deadline=_DEADLINE_SECONDS)).body
        except ClientError:
            if kept is not None:
                return kept[0]
            raise Unavailable("The issuer cannot be reached; try again shortly.") from None
        found = model.read_discovery(body, given.issuer)
        if found is None:
            raise Unavailable("The issuer's own description is not what is configured here.")
        self._endpoints[given.name] = found, clock.monotonic() + _KEPT_SECONDS
        return found

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
            keys=self._keys_of(endpoints, clock),
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
            async with _client(endpoints.exchange) as client:
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

    def _keys_of(self, endpoints: Endpoints, clock: Clock) -> JwksKeys:
        if endpoints.jwks not in self._keys:
            self._keys = {**self._keys, endpoints.jwks: JwksKeys.at(endpoints.jwks, clock)}
        return self._keys[endpoints.jwks]


def _client(address: str) -> ApiClient:
    """The operator named this host, so it may be an internal one; redirects may not lead elsewhere."""
    host = model.host_of(address)
    return ApiClient(guard=AddressGuard(allow=(host,)), retry=NEVER, breaker=None, redirects=0, max_body=_MAX_BYTES)
