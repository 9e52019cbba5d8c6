"""How a provider signs what it pushes to us, and how its deliveries are read: the `[webhooks]` table of a manifest.

Values of a request are named by expressions: `header:NAME`, `query:NAME`, `form:NAME`, `body:PATH` (dots between the
keys and positions of the JSON, `*` for every member of a list), `app:FIELD` (a field of the app registration),
`signature:GROUP` (a named group of the signature's pattern), `body`, `url`, `method`, `id`, `timestamp`. Alternatives
stand with `|` between them: the first that is there counts.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import msgspec

from isthmus.connect.strict import Strict

_EXPRESSION = re.compile(
    r"(?:header|query|form|body|app|signature):[^{}|]+|body|url|method|id|timestamp|form|secret|signed"
)
_PLACE = re.compile(r"\{([^{}]+)\}")


class Signature(Strict, frozen=True):
    """One way of signing. The first way that a request offers, and that a live secret fits, decides."""

    #: Where the signature stands, and what of it counts: every match of the group `value`.
    where: str
    #: `hash` is a plain digest over a template that holds the secret itself; `token` is the secret itself.
    kind: Literal["hmac", "hash", "token", "ed25519", "ecdsa"] = "hmac"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    #: How the secret's text becomes the key; `wordpress` undoes the entities that WordPress stores secrets with.
    key: Literal["text", "base64", "hex", "wordpress"] = "text"
    #: Taken off the secret before it is decoded; with `key_marked` secrets without it are not for this way.
    key_prefix: str = ""
    key_marked: bool = False
    pattern: str = r"^(?P<value>[^\s,;]{1,1000})$"
    #: How a signature is written where it stands; for signing samples.
    form: str = "{value}"
    template: str = "{body}"
    #: Request headers that must have exactly these values for this way to be meant.
    requires: dict[str, str] = msgspec.field(default_factory=dict)
    #: Where the delivery's id and signed time stand.
    id: str = ""
    timestamp: str = ""
    unit: Literal["s", "ms"] = "s"
    #: Seconds that the signed time may differ from ours, either way; None where none is signed, or retries repeat it.
    tolerance: int | None = None
    #: Where a digest of the body stands, when the signature covers the address alone.
    body_digest: str = ""
    #: A JSON list that must have exactly one member, because only one is signed.
    single: str = ""
    #: The address is signed with its port by some senders and without it by others.
    any_port: bool = False


class Challenge(Strict, frozen=True):
    """A request that proves the address instead of bringing news; nothing is stored for it."""

    name: str
    method: Literal["GET", "POST"] = "POST"
    #: Expressions and the values that they must have.
    when: dict[str, str] = msgspec.field(default_factory=dict)
    #: A pattern that the whole body must have.
    body: str | None = None
    #: Answered only when the request is signed.
    signed: bool = True
    #: An expression whose value must be one of the live secrets.
    proof: str = ""
    #: The value to send back, what it may look like (WH-06), and what stands around it.
    echo: str = ""
    pattern: str = r"[A-Za-z0-9._~+/=-]{1,400}"
    #: Send back the signature of `echo` instead: base64 of its HMAC-SHA256 under the newest secret.
    sign: bool = False
    reply: str = "{echo}"
    content_type: str = "text/plain; charset=utf-8"


class Reply(Strict, frozen=True):
    """What the platform wants to read once a delivery is safe."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


class Hint(Strict, frozen=True):
    """What a topic means to us: our event's name, and the entity to read anew."""

    topic: str
    event: str
    entity: str = ""
    #: For news about a person: where the platform's id of that customer stands, and those of the orders that are meant.
    person: str = ""
    records: str = ""


class Sample(Strict, frozen=True):
    """A delivery as the platform sends it, for the simulator and for tests."""

    topic: str
    body: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    content_type: str = "application/json"


class Webhooks(Strict, frozen=True):
    """All about a provider's pushes."""

    #: None where the platform pushes nothing and its queue is read instead.
    signatures: tuple[Signature, ...] = ()
    #: The fields of the app registration that hold the secret and the app's own id; empty: a source has its own.
    secret_field: str = ""
    #: The credential of a connection that holds the secret, for sources of one connection.
    connection_field: str = ""
    app_fields: tuple[str, ...] = ()
    #: What makes a delivery the same as another; empty: its whole body.
    dedupe: tuple[str, ...] = ()
    topic: str = ""
    #: Whose news it is: the platform's own id of the account, as connections know it, perhaps as a template; a prefix
    #: that connections do not know is taken off.
    account: str = ""
    account_prefix: str = ""
    #: Which object changed, and when.
    object: str = ""
    occurred: str = ""
    challenges: tuple[Challenge, ...] = ()
    reply: Reply = Reply()
    hints: tuple[Hint, ...] = ()
    samples: tuple[Sample, ...] = ()
    #: Where a person enters our address; the topics to ask for there, or by the platform's call where it has one.
    setup: str = ""
    topics: tuple[str, ...] = ()
    #: Those of them that only a console takes, even where there is a call for the others.
    console_topics: tuple[str, ...] = ()
    #: Milliseconds within which the platform wants its answer.
    deadline_ms: int = 5000


@lru_cache(maxsize=4096)
def expressions(text: str) -> tuple[str, ...]:
    """The alternatives of an expression, in order."""
    return tuple(part for part in text.split("|") if part)


def places(template: str) -> tuple[str, ...]:
    """The expressions that a template holds."""
    return tuple(_PLACE.findall(template))


def check(given: Webhooks) -> None:
    """Raise ValueError for an expression or a pattern that cannot be read."""
    for pattern in _patterns(given):
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"webhooks: the pattern {pattern!r} cannot be read: {error}") from None
    for one in given.signatures:
        if "value" not in re.compile(one.pattern).groupindex:
            raise ValueError(f"webhooks: the pattern {one.pattern!r} has no group 'value'")
    for expression in _named(given):
        for part in expressions(expression):
            if not _EXPRESSION.fullmatch(part):
                raise ValueError(f"webhooks: {part!r} names nothing of a request")


def _patterns(given: Webhooks) -> Iterator[str]:
    for one in given.signatures:
        yield one.pattern
    for challenge in given.challenges:
        yield challenge.pattern
        if challenge.body is not None:
            yield challenge.body


def _named(given: Webhooks) -> Iterator[str]:
    yield from (given.topic, given.object, given.occurred, *given.dedupe)
    yield from places(given.account) or (given.account,)
    for hint in given.hints:
        yield from (hint.person, hint.records)
    for one in given.signatures:
        yield from (one.where, one.id, one.timestamp, one.body_digest, one.single, *places(one.template))
    for challenge in given.challenges:
        yield from (challenge.proof, challenge.echo, *challenge.when)
