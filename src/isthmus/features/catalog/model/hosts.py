"""Hosts of a provider, and the binding of app credentials to them (security.md VA-01; pure)."""

import hashlib
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from isthmus.kit.errors import Invalid

_LIMIT = 500


def read_hosts(known: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Check hosts that an operator gives. Raises Invalid naming each wrong one."""
    wrong: list[dict[str, str]] = []
    kept: dict[str, str] = {}
    for name, address in sorted(given.items()):
        wrongness = (
            f"The provider has no host of this name, only {sorted(known)}." if name not in known else complaint(address)
        )
        if wrongness:
            wrong.append({"path": f"hosts.{name}", "message": wrongness})
        # a whole address, such as that of a token endpoint, may end with a slash; what paths are put behind may not
        kept[name] = address if known.get(name, "").endswith("/") else address.rstrip("/")
    if wrong:
        raise Invalid("A host is not usable.", details={"fields": wrong})
    return kept


def complaint(address: str) -> str | None:
    """What is wrong with the address of a host; None if nothing is."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "This is not an address."
    if len(address) > _LIMIT or not address.isascii() or not host or port == 0:
        return "This is not an address."
    if parts.query or parts.fragment or "@" in parts.netloc or any(sign in address for sign in "\\ \t\r\n"):
        return "An address of a host has no user, query, fragment or white space."
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return None
    return "Only https is taken, and http on this machine."


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def effective(defaults: Mapping[str, str], overrides: Mapping[str, str]) -> dict[str, str]:
    """The hosts that calls go to: the manifest's, with the operator's in their place."""
    return {name: overrides.get(name, address) for name, address in sorted(defaults.items())}


def binding(hosts: Mapping[str, str]) -> str:
    """A digest of all hosts: credentials given for one set of hosts are never sent to another."""
    digest = hashlib.sha256()
    for name, address in sorted(hosts.items()):
        for part in (name.encode(), address.encode()):
            digest.update(len(part).to_bytes(4, "big"))
            digest.update(part)
    return digest.hexdigest()[:32]
