"""The inventory of cryptography (security.md VA-14): what is called is read from the code, what it is for is said here.

A module that calls a primitive and has no entry, or an entry without such a module, stops the making of the page.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tools.house.tree import Source, dotted, sources
from tools.reference.markdown import code as name
from tools.reference.markdown import page, table

_PACKAGES = {"hashlib", "hmac", "secrets", "ssl", "cryptography", "joserfc"}
_CALLS = {"os.urandom"}
#: Failures of these packages, which are no primitives.
_FAILURES = ("Error", "Warning", "InvalidTag", "InvalidSignature", "UnsupportedAlgorithm")
#: The emulated platforms sign and check as their originals do, with keys that are worth nothing.
_TRIALS = ("sandbox/", "connect/conformance/")


class Undescribed(ValueError):
    """The entries below and the code do not say the same."""


@dataclass(frozen=True)
class Use:
    """What the cryptography of a module or folder is for, its key, and how the key changes."""

    purpose: str
    key: str = "none"
    rotation: str = "-"


_DIGEST = Use("A digest to recognise the same content again; nothing is trusted for it")
_TLS = Use("TLS to other systems; their certificates are checked", "the system's roots, or those given", "with them")

USES: Mapping[str, Use] = {
    "engine/keys/sealing.py": Use(
        "Seals every stored credential with AES-256-GCM, bound to its tenant, owner and field; wraps data keys alike",
        "a data key of each tenant, wrapped by the master key",
        "data keys by age and use and by `isthmus vault rotate --data`; the master key by `isthmus vault rotate "
        "--new-key`. When it was last done: `isthmus vault status`, events `vault.data_keys_rotated` and "
        "`vault.master_key_rotated`",
    ),
    "engine/keys/sources.py": Use("The fingerprint that names a master key", "the master key", "with it"),
    "app/keys.py": Use("Derives the key of paging cursors", "the master key", "with it; cursors in use end"),
    "http/paging.py": Use(
        "Paging cursors cannot be read, made or changed outside", "derived from the master key", "with it"
    ),
    "http/tokens.py": Use(
        "Checks bearer tokens, and signs those of an embedded start",
        "`ISTHMUS_AUTH__HS256`, the development key, or the issuer's keys",
        "a new value and a restart; tokens in use end",
    ),
    "http/jwks.py": Use("Reads an issuer's published keys", "the issuer's public keys", "by the issuer; read anew"),
    "http/idempotency.py": _DIGEST,
    "http/drawn.py": Use("Names the one style of our own pages to the browser by its digest; it takes no other"),
    "http/auth.py": Use("Remembers a checked credential by its digest only, for seconds"),
    "features/access/": Use(
        "API keys, sessions and invitations are kept as digests of 190 random bits or more; passwords as argon2id; "
        "second factors are codes by time (RFC 6238, SHA-1 as authenticator apps have it) of sealed secrets",
        "the API key",
        "`POST .../api-keys/{id}/rotate`; event `api_key.rotated`",
    ),
    "features/audit/": Use(
        "Merkle trees over the audit log (RFC 6962, SHA-256), signed with Ed25519",
        "a signing key of the deployment, sealed by the vault",
        "`isthmus audit rotate-key`; event `audit.signing_key_made`",
    ),
    "features/connections/": Use(
        "States, links, cookies and tickets of consents are stored as digests; PKCE challenges (S256)",
        "256 random bits each",
        "each is used once and ends after minutes",
    ),
    "features/catalog/": Use("The digest of an app's hosts, which its seal is bound to"),
    "features/webhooks_in/": Use(
        "Checks what platforms sign: HMAC, ECDSA P-256 or Ed25519 as the manifest says; SHA-1 only where a platform "
        "has nothing else",
        "the app's secret or the platform's public key, sealed",
        "at the platform, then `isthmus provider set`; event `provider.app_set`",
    ),
    "kit/webhooks.py": Use(
        "Signs outgoing webhooks with HMAC-SHA256 and checks them (Standard Webhooks)",
        "256 random bits of each endpoint, sealed",
        "`POST /api/webhooks/endpoints/{id}/rotate-secret`",
    ),
    "kit/etags.py": Use("Names by a digest what can be changed, so that a change can say what it was read as"),
    "kit/ids.py": Use("Random ids, tokens and keys from the operating system's generator"),
    "kit/secret.py": Use("Compares secrets in constant time"),
    "connect/prints.py": Use("The digest of a third-party connector's files, by which an operator allows these alone"),
    "connectors/": Use(
        "Signs calls as each platform asks (HMAC-SHA256)",
        "the app's secret, sealed",
        "at the platform, then `isthmus provider set`; event `provider.app_set`",
    ),
    "client/auth/": Use("Signs calls where the caller asks for HMAC", "given by the caller", "by the caller"),
    "client/transport/": _TLS,
    "engine/budget/": _TLS,
    "client/cache/": _DIGEST,
    "client/pages.py": _DIGEST,
    "engine/blobs/": _DIGEST,
    "engine/db/": _DIGEST,
    "engine/ledger/": _DIGEST,
    "features/orders/": _DIGEST,
    "features/records/": _DIGEST,
    "features/schedules/": Use("Spreads the starts of schedules evenly; nothing is trusted for it"),
    "features/search/": Use("A short name for a connection inside the index; nothing is trusted for it"),
    "features/sync/": _DIGEST,
    "features/uploads/": _DIGEST,
}


def inventory() -> str:
    """The page. Raises Undescribed."""
    found = {source.name: called for source in sources() if not _trial(source.name) and (called := primitives(source))}
    rows = [
        (name(place), ", ".join(name(one) for one in sorted(_of(place, found))), use.purpose, use.key, use.rotation)
        for place, use in described(found).items()
    ]
    return page(
        "Cryptography",
        "Every module that uses a primitive, what for, with which key, and how that key changes. What is used "
        "is read from the code. Keys of 256 bits and SHA-256 or BLAKE2b everywhere else than where a platform "
        "prescribes its own; the libraries are `cryptography` (OpenSSL), `joserfc` and Python's own.",
        table(("Where", "Uses", "What for", "Key", "How it changes"), rows),
        "The emulated platforms (`sandbox`) sign as their originals do, with keys worth nothing; they are not listed.",
    )


def described(found: Mapping[str, set[str]], uses: Mapping[str, Use] = USES) -> Mapping[str, Use]:
    """The entries, each with a module in the code, and each module with an entry. Raises Undescribed."""
    unknown = [module for module in found if not any(module.startswith(place) for place in uses)]
    idle = [place for place in uses if not _of(place, found)]
    if unknown or idle:
        raise Undescribed(f"say in tools/reference/crypto.py what {unknown} is for; nothing is called in {idle}")
    return uses


def primitives(source: Source) -> set[str]:
    """What a module calls of cryptography, and what it imports by name."""
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _PACKAGES:
            found |= {alias.name for alias in node.names if not alias.name.endswith(_FAILURES)}
        elif isinstance(node, ast.Attribute):
            called = dotted(node)
            known = called in _CALLS or called.split(".")[0] in _PACKAGES - {"cryptography", "joserfc"}
            if known and not called.endswith(_FAILURES) and called != "ssl.SSLContext":
                found.add(called)
    return found


def _of(place: str, found: Mapping[str, Iterable[str]]) -> set[str]:
    return {one for module, called in found.items() if module.startswith(place) for one in called}


def _trial(module: str) -> bool:
    return module.startswith(_TRIALS) or "/sandbox/" in module
