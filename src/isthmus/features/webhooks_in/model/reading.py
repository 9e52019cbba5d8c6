"""What a delivery says: its topic, whose it is, what makes it the same as another, whether it only asks for proof."""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from isthmus.connect.webhooks import Challenge, Hint, Reply, Webhooks
from isthmus.features.webhooks_in.model.inbound import Inbound
from isthmus.features.webhooks_in.model.verifying import LiveSecret
from isthmus.kit import text

_LONGEST = 300
#: Above this a number of seconds is one of milliseconds (marketplaces.md 3.7).
_MILLISECONDS = 10**11
_LATEST = 4 * 10**9
_NUMBER = re.compile(r"[0-9]{1,16}", re.ASCII)


class Reading(msgspec.Struct, frozen=True):
    """What a verified delivery says about itself; nothing of it is believed beyond being a hint (WH-07)."""

    topic: str
    event: str
    entity: str
    account: str
    object: str
    occurred_at: datetime | None


def read(inbound: Inbound, scheme: Webhooks, provider: str) -> Reading:
    """Topic, account, object and time; what is not there is empty."""
    topic = _short(inbound.text(scheme.topic))
    hint = hint_of(scheme, topic)
    event = hint.event if hint else f"{provider}.{topic or 'unknown'}"
    account = _account(inbound, scheme) if scheme.account else ""
    changed, when = _short(inbound.text(scheme.object)), _time(inbound.text(scheme.occurred))
    return Reading(topic, event, hint.entity if hint else "", account, changed, when)


def _account(inbound: Inbound, scheme: Webhooks) -> str:
    account = inbound.render(scheme.account).decode("utf-8", "replace") if "{" in scheme.account else ""
    return _short(account or inbound.text(scheme.account)).removeprefix(scheme.account_prefix)


def hint_of(scheme: Webhooks, topic: str) -> Hint | None:
    """What this topic means to us."""
    for hint in scheme.hints:
        if hint.topic == topic:
            return hint
    return None


def _short(value: str) -> str:
    return text.storable(value[:_LONGEST]) if value else ""


def _time(value: str) -> datetime | None:
    if not value:
        return None
    if _NUMBER.fullmatch(value):
        seconds = int(value) / 1000 if int(value) > _MILLISECONDS else int(value)
        return datetime.fromtimestamp(seconds, UTC) if seconds < _LATEST else None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None and 1 < found.year < 9999 else None


def digest(inbound: Inbound, scheme: Webhooks, source_id: str) -> bytes:
    """Equal for repeats of one event at one source, whatever their headers; 16 bytes for the ledger (PR-02)."""
    hashed = hashlib.blake2b(source_id.encode(), digest_size=16)
    values = [inbound.bytes(one) for one in scheme.dedupe]
    if not any(values):
        values = [inbound.request.url.encode("utf-8", "surrogateescape"), inbound.request.body]
    for value in values:
        hashed.update(len(value).to_bytes(8, "big"))
        hashed.update(value)
    return hashed.digest()


def challenge(inbound: Inbound, scheme: Webhooks, *, signed: bool) -> Challenge | None:
    """The question that this request asks instead of bringing news, among those that need a signature or do not."""
    for one in scheme.challenges:
        if one.signed == signed and one.method == inbound.request.method and _asked(inbound, one):
            return one
    return None


def _asked(inbound: Inbound, one: Challenge) -> bool:
    if one.body is not None and not re.fullmatch(one.body.encode(), inbound.request.body):
        return False
    return all(inbound.text(expression) == value for expression, value in one.when.items())


def answer(
    inbound: Inbound,
    one: Challenge,
    secrets: Sequence[LiveSecret],
    now: datetime,
    verify_tokens: Sequence[LiveSecret] = (),
) -> Reply | None:
    """The proof that was asked for; None when the question is not to be answered (WH-06).

    verify_tokens: what may be shown beside the secrets; nothing is ever signed with them.
    """
    live = [held.secret.reveal().encode() for held in secrets if held.lives(now)]
    if one.proof:
        shown = inbound.bytes(one.proof)
        known = [*live, *(held.secret.reveal().encode() for held in verify_tokens if held.lives(now))]
        if not shown or not any(hmac.compare_digest(held, shown) for held in known):
            return None
    if not one.echo:
        return Reply(body=one.reply, content_type=one.content_type)
    echo = inbound.text(one.echo)
    if not re.fullmatch(one.pattern, echo, re.ASCII) or (one.sign and not live):
        return None
    if one.sign:
        proof = b64encode(hmac.digest(live[0], echo.encode(), "sha256")).decode()
        return Reply(body=one.reply.replace("{signed}", proof), content_type=one.content_type)
    return Reply(body=one.reply.replace("{echo}", echo), content_type=one.content_type)
