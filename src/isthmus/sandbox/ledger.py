"""Authorizations, codes and tokens: issued, found, expired and revoked; each platform adds its own rules."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from isthmus.sandbox.clock import ShiftedClock
from isthmus.sandbox.dice import Dice
from isthmus.sandbox.model import App


@dataclass(slots=True, eq=False)
class Grant:
    """What an account allowed an application: `entities` are the shops, stores or sellers it covers."""

    app: App
    account: str
    entities: tuple[str, ...]
    scopes: tuple[str, ...]
    started: datetime
    ends: datetime | None = None
    revoked: bool = False


@dataclass(slots=True, eq=False)
class Code:
    """An authorization code: one use, bound to its application and callback address."""

    text: str = field(repr=False)
    grant: Grant
    redirect: str
    expires: datetime
    challenge: str | None = None
    used: bool = False


@dataclass(slots=True, eq=False)
class Token:
    """An access or refresh token of one grant; `entity` is "" where it stands for all of them."""

    text: str = field(repr=False)
    kind: str
    grant: Grant
    entity: str
    expires: datetime | None
    revoked: bool = False
    #: The entities that a single-use refresh token was spent for.
    spent: set[str] = field(default_factory=set)

    def dead(self, now: datetime) -> bool:
        """Whether the token is past its end or taken back."""
        return self.revoked or self.grant.revoked or (self.expires is not None and now >= self.expires)


class Ledger:
    """Every grant, code and token of one platform; texts depend on the seed and on the order of issue alone."""

    def __init__(self, clock: ShiftedClock, *key: object) -> None:
        self._clock = clock
        self._key = key
        self._issued = 0
        self.grants: list[Grant] = []
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}

    def draw(self, length: int = 40) -> str:
        """A fresh text for a code or token."""
        self._issued += 1
        return Dice(*self._key, self._issued).text(length)

    def grant(self, app: App, account: str, entities: tuple[str, ...], scopes: tuple[str, ...] = ()) -> Grant:
        """Record that an account allowed an application."""
        grant = Grant(app, account, entities, scopes, self._clock.now())
        self.grants.append(grant)
        return grant

    def code(self, grant: Grant, redirect: str, life: float, *, prefix: str = "") -> Code:
        """Issue a code that lives `life` seconds."""
        code = Code(prefix + self.draw(), grant, redirect, self._clock.now() + timedelta(seconds=life))
        self.codes[code.text] = code
        return code

    def redeem(self, text: str, app: App) -> Code | None:
        """Spend a code: None unless it is known, of this application, unused and not too old."""
        code = self.codes.get(text)
        if code is None or code.grant.app is not app or code.used or code.grant.revoked:
            return None
        if self._clock.now() >= code.expires:
            return None
        code.used = True
        return code

    def token(self, kind: str, grant: Grant, entity: str, life: float | None, *, prefix: str = "") -> Token:
        """Issue a token of `kind` "access" or "refresh"; without `life` it has no end."""
        expires = None if life is None else self._clock.now() + timedelta(seconds=life)
        token = Token(prefix + self.draw(), kind, grant, entity, expires)
        self.tokens[token.text] = token
        return token

    def find(self, text: str | None, kind: str) -> Token | None:
        """The token of this kind, dead or alive."""
        token = self.tokens.get(text or "")
        return token if token is not None and token.kind == kind else None

    def of(self, grant: Grant, kind: str, entity: str | None = None) -> list[Token]:
        """The tokens of a grant, of one entity where named."""
        return [t for t in self.tokens.values() if t.grant is grant and t.kind == kind and entity in {None, t.entity}]

    def expire(self, text: str | None) -> None:
        """End a token now."""
        token = self.tokens.get(text or "")
        if token is not None:
            token.expires = self._clock.now()

    def revoke(self, account: str) -> int:
        """Take back what an account, or an entity, allowed: all its grants end. Returns how many."""
        ended = [grant for grant in self.grants if not grant.revoked and account in {grant.account, *grant.entities}]
        for grant in ended:
            grant.revoked = True
        return len(ended)
