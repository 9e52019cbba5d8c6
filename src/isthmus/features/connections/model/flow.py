"""The rules of a consent that is under way (security.md OA-01 to OA-06; docs/adr/0006-finishing-a-consent.md)."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from isthmus.connect.manifest import OAuth
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret

LIFETIME = timedelta(minutes=10)
#: A parked answer waits for its starter; the shortest published life of a code is ten minutes.
TICKET_LIFETIME = timedelta(minutes=5)
MAX_OPEN = 20
MAX_QUERY = 8192


class Outcome(StrEnum):
    """How a consent ended, as the return address is told in `error`."""

    DENIED = "consent_denied"
    UNREADABLE = "callback_unreadable"
    MIXED_UP = "registration_mismatch"
    CHANGED = "settings_changed"
    EXCHANGE = "exchange_failed"
    WRONG_ACCOUNT = "wrong_account"
    REVIEW = "needs_review"
    GONE = "connection_gone"


@dataclass(frozen=True, slots=True)
class Flow:
    """One consent under way, as the state row froze it (OA-01, OA-08)."""

    tenant_id: str
    connection_id: str
    provider: str
    registration_id: str
    registration_version: int
    #: What `frozen` made of the hosts and of how the provider's consent works.
    hosts_digest: str
    redirect_uri: str
    return_url: str | None
    principal: Principal
    #: Whether the browser that opened the link is the one that the start was answered to.
    starter_bound: bool
    expires_at: datetime
    #: What was filled into the platform's addresses, such as the name of a shop.
    account: Mapping[str, str] = field(default_factory=dict)


def flow_key(state: str) -> bytes:
    """The name of a flow in the database: the state itself is never stored."""
    return hashlib.sha256(b"isthmus flow " + state.encode("utf-8", "replace")).digest()


def state_of(link: Secret) -> str:
    """The state that belongs to a link: whoever sees the state cannot find the link."""
    digest = hashlib.sha256(b"isthmus state " + link.reveal().encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def proof(value: str) -> bytes:
    """What is stored of a cookie or a ticket."""
    return hashlib.sha256(b"isthmus proof " + value.encode("utf-8", "replace")).digest()


def challenge(verifier: Secret) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.reveal().encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def cookie_name(state: str, *, secure: bool) -> str:
    """The cookie that ties a browser to one flow; browsers refuse the `__Host-` prefix without TLS."""
    return f"{'__Host-' if secure else ''}isthmus_flow_{flow_key(state).hex()[:16]}"


def with_state(redirect_uri: str, state: str, *, returned: bool) -> str:
    """The redirect address for one flow: it carries our state where the platform does not send one back."""
    return redirect_uri if returned else f"{redirect_uri}?state={state}"


def single(query: Sequence[tuple[str, str]]) -> Mapping[str, str] | None:
    """The query as a mapping; None when a name is doubled or the whole is absurdly long (OA-01, OA-06)."""
    names = [name for name, _ in query]
    if len(set(names)) != len(names) or sum(len(name) + len(value) for name, value in query) > MAX_QUERY:
        return None
    return dict(query)


def frozen(hosts: str, oauth: OAuth | None) -> str:
    """A short name for what a consent is begun with: the digest of the hosts, and how the provider's consent works."""
    facts = msgspec.json.encode(oauth, order="sorted")
    return hashlib.sha256(hosts.encode() + facts).hexdigest()[:32]


def issuer_agrees(expected: str, given: str | None) -> bool:
    """RFC 9207: a registration that expects an issuer takes that one only; others do not judge it."""
    return given == expected if expected else True


def scopes_changed(before: Sequence[str], after: Sequence[str]) -> dict[str, list[str]] | None:
    """What a platform grants more, and what less, than before; None for the same, or where it does not say.

    A reply without scopes grants the same as before (RFC 6749 section 5.1).
    """
    if not before or not after or set(before) == set(after):
        return None
    return {"added": sorted(set(after) - set(before)), "removed": sorted(set(before) - set(after))}
