"""Values of settings that weaken security, and what holds in their place (security.md SA-04; pure).

A setting whose field has a judge under `weak` in its metadata is told at the start, shown red by `isthmus check`, and
holds no longer than its end.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

#: Networks wider than these hold half of the Internet: whoever is trusted there is nobody in particular.
_WIDEST = {4: 8, 6: 16}


@dataclass(frozen=True, slots=True)
class Weak:
    """Why a value weakens, and the value that holds in its place once it has run out."""

    reason: str
    safe: Any


Judge = Callable[[Any], Weak | None]


def opened(reason: str) -> Judge:
    """A list that is safe empty."""

    def judge(value: Sequence[str]) -> Weak | None:
        return Weak(reason, ()) if value else None

    return judge


def switched_on(reason: str) -> Judge:
    """A switch that is safe off."""

    def judge(value: bool) -> Weak | None:
        return Weak(reason, False) if value else None

    return judge


def above(most: float, reason: str) -> Judge:
    """A number that is safe up to `most`."""

    def judge(value: float) -> Weak | None:
        return Weak(reason, most) if value > most else None

    return judge


def raised(usual: Mapping[str, int], reason: str) -> Judge:
    """Limits by name, of which these are safe up to `usual`; others may be any."""

    def judge(value: Mapping[str, int]) -> Weak | None:
        wide = {name for name, most in value.items() if name in usual and most > usual[name]}
        return Weak(f"{reason} ({', '.join(sorted(wide))})", _without(value, wide)) if wide else None

    return judge


def trusting(reason: str) -> Judge:
    """Networks, of which very wide ones are not safe."""

    def judge(value: Sequence[str]) -> Weak | None:
        kept = tuple(one for one in value if not _is_wide(one))
        return Weak(reason, kept) if len(kept) < len(value) else None

    return judge


def plain_addresses(reason: str) -> Judge:
    """Addresses, of which http ones beyond this machine are not safe."""

    def judge(value: Sequence[str]) -> Weak | None:
        kept = tuple(one for one in value if not is_plain(one))
        return Weak(reason, kept) if len(kept) < len(value) else None

    return judge


def plain_address(reason: str) -> Judge:
    """An address that is not safe as http beyond this machine. Nothing can stand in its place: it is only told."""

    def judge(value: str) -> Weak | None:
        return Weak(reason, value) if is_plain(value) else None

    return judge


def is_plain(address: str) -> bool:
    """Whether this is http to another machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _is_wide(network: str) -> bool:
    try:
        read = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    return read.prefixlen < _WIDEST[read.version]


def _without(value: Mapping[str, int], names: set[str]) -> dict[str, int]:
    return {name: most for name, most in value.items() if name not in names}
