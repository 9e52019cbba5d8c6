"""How a provider signs what it pushes, as a part of its document; `connect.webhooks` tells what fields mean (pure)."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from pydantic import BaseModel, Field, StringConstraints

from isthmus.connect.service import names_in
from isthmus.connect.webhooks import Webhooks, check
from isthmus.features.catalog.model.words import CONFIG, Expression, HeaderValue, Line, Prose, Texts, Word, Words
from isthmus.kit import patterns as rules

Body = Annotated[str, StringConstraints(max_length=20_000)]
Place = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Template = Annotated[str, StringConstraints(max_length=1_000)]


class PushPart(BaseModel):
    """A part of what a provider pushes."""

    model_config = CONFIG


class SignaturePart(PushPart):
    """One way of signing."""

    where: Place
    kind: Literal["hmac", "hash", "token", "ed25519", "ecdsa"] = "hmac"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    key: Literal["text", "base64", "hex", "wordpress"] = "text"
    key_prefix: Line = ""
    key_marked: bool = False
    pattern: Expression = r"^(?P<value>[^\s,;]{1,1000})$"
    form: Line = "{value}"
    template: Template = "{body}"
    requires: Texts = {}
    id: Line = ""
    timestamp: Line = ""
    unit: Literal["s", "ms"] = "s"
    tolerance: Annotated[int, Field(ge=1, le=86_400)] | None = None
    body_digest: Line = ""
    single: Line = ""
    any_port: bool = False


class ChallengePart(PushPart):
    """A request that proves the address instead of bringing news."""

    name: Word
    method: Literal["GET", "POST"] = "POST"
    when: Texts = {}
    body: Expression | None = None
    signed: bool = True
    proof: Line = ""
    echo: Line = ""
    pattern: Expression = r"[A-Za-z0-9._~+/=-]{1,400}"
    sign: bool = False
    reply: Template = "{echo}"
    content_type: HeaderValue = "text/plain; charset=utf-8"


class ReplyPart(PushPart):
    """What the platform wants to read once a delivery is safe."""

    status: Annotated[int, Field(ge=200, le=299)] = 200
    body: Prose = ""
    content_type: HeaderValue = "text/plain; charset=utf-8"


class HintPart(PushPart):
    """What a topic means: our event's name, and the entity to read anew."""

    topic: Word
    event: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+$", max_length=100)]
    entity: Line = ""
    person: Line = ""
    records: Line = ""


class SamplePart(PushPart):
    """A delivery as the platform sends it, for the simulator."""

    topic: Word
    body: Body
    headers: Texts = {}
    content_type: HeaderValue = "application/json"


class WebhooksPart(PushPart):
    """All about a provider's pushes: how they are believed, whose news they are, and what they mean."""

    signatures: Annotated[list[SignaturePart], Field(min_length=1, max_length=10)]
    secret_field: Line = ""
    connection_field: Line = ""
    app_fields: Words = []
    dedupe: Annotated[list[Place], Field(max_length=10)] = []
    topic: Line = ""
    account: Line = ""
    account_prefix: Line = ""
    object: Line = ""
    occurred: Line = ""
    challenges: Annotated[list[ChallengePart], Field(max_length=10)] = []
    reply: ReplyPart = ReplyPart()
    hints: Annotated[list[HintPart], Field(max_length=200)] = []
    samples: Annotated[list[SamplePart], Field(max_length=50)] = []
    setup: Prose = ""
    topics: Annotated[list[Word], Field(max_length=200)] = []
    console_topics: Annotated[list[Word], Field(max_length=200)] = []
    deadline_ms: Annotated[int, Field(ge=500, le=60_000)] = 5000


def complaints(given: WebhooksPart, entities: set[str], app_fields: set[str]) -> Iterator[tuple[str, str]]:
    """What does not go together: the place of each fault within `webhooks`, and what is wrong there."""
    patterns = [(f"signatures.{at}.pattern", one.pattern) for at, one in enumerate(given.signatures)]
    for at, challenge in enumerate(given.challenges):
        patterns += [(f"challenges.{at}.pattern", challenge.pattern), (f"challenges.{at}.body", challenge.body or "")]
    wild = [(place, said) for place, one in patterns for said in _wild(one)]
    yield from wild
    if not wild:
        try:
            check(msgspec.convert(given.model_dump(exclude_none=True), Webhooks))
        except ValueError as error:
            yield "", f"{str(error).removeprefix('webhooks: ').capitalize()}."
    yield from _unsigned(given.signatures)
    for at, hint in enumerate(given.hints):
        if hint.entity and hint.entity not in entities:
            yield f"hints.{at}.entity", "There is no such entity in availableEntities."
    for name in filter(None, (given.secret_field, *given.app_fields)):
        if name not in app_fields:
            yield "secretField" if name == given.secret_field else "appFields", f"There is no app field {name}."


def _unsigned(signatures: Sequence[SignaturePart]) -> Iterator[tuple[str, str]]:
    """A signature of a text that is always the same proves nothing about what came."""
    for at, one in enumerate(signatures):
        if one.kind != "token" and not names_in(one.template):
            yield f"signatures.{at}.template", "It names what is signed, such as {body}."
        if "value" not in names_in(one.form):
            yield f"signatures.{at}.form", "It has {value} where the signature stands."


def _wild(pattern: str) -> Iterator[str]:
    """Why matching it may take long: strangers send what it is matched against."""
    try:
        rules.check(pattern)
    except ValueError as error:
        yield f"This pattern is not taken: {error}."
