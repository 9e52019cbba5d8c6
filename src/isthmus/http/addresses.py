"""Who is calling from where, and under which name: Host, forwarding headers, paths (security.md HE-05 to HE-07)."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from isthmus.http.errors import CannotStart

Header = tuple[bytes, bytes]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORT = re.compile(rb":[0-9]{1,5}$")
_ODD = re.compile(rb"%2f|%5c|%00|;|\\|//", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")


class Hosts:
    """The names this server answers to."""

    def __init__(self, names: Iterable[str]) -> None:
        self._known = {name.strip().strip("[]").lower() for name in names}
        self._seen: dict[bytes, bool] = {}

    def __contains__(self, header: bytes) -> bool:
        answer = self._seen.get(header)
        if answer is None:
            answer = self._check(header)
            if len(self._seen) < 256:
                self._seen[header] = answer
        return answer

    def _check(self, header: bytes) -> bool:
        name = _PORT.sub(b"", header).decode("latin-1").lower()
        if name.startswith("[") and name.endswith("]"):
            name = name[1:-1]
        return name.removesuffix(".") in self._known


class Callers:
    """Reads the caller's address; forwarding headers count only from configured proxies, right to left."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted: list[_Network] = []
        for network in trusted_proxies:
            try:
                self._trusted.append(ipaddress.ip_network(network, strict=False))
            except ValueError:
                raise CannotStart(f"http.trusted_proxies: {network!r} is not a network such as 10.0.0.0/8.") from None
        self._seen: dict[str, str] = {}

    def address(self, peer: str, headers: Sequence[Header]) -> str:
        """The caller's normalised address; the peer's own wherever the chain of trust or the syntax ends."""
        if not self._trusted:
            known = self._seen.get(peer)
            if known is None:
                known = normal(peer)
                if len(self._seen) < 4096:
                    self._seen[peer] = known
            return known
        found = normal(peer)
        forwarded = b",".join([value for name, value in headers if name == b"x-forwarded-for"])
        for hop in reversed(forwarded.decode("latin-1").split(",")) if forwarded else ():
            if not self.is_trusted(found):
                break
            candidate = _read(hop.strip())
            if candidate is None:
                break
            found = str(candidate)
        return found

    def is_trusted(self, address: str) -> bool:
        """Whether this is one of the configured proxies."""
        parsed = _read(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _read(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def normal(text: str) -> str:
    """One spelling per address; what is no address (a Unix socket, a test) stays as it is."""
    address = _read(text)
    return str(address) if address is not None else text[:64]


@lru_cache(maxsize=4096)
def limit_key(address: str) -> str:
    """What limits count: the address, or the /64 of an IPv6 address, which one household can fill."""
    parsed = _read(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return address


def is_plain(raw_path: bytes, path: str) -> bool:
    """Whether a path has one meaning only: no encoded slash, no dot segments, no parameters, no controls (HE-07)."""
    if _ODD.search(raw_path) or len(raw_path) > 2048:
        return False
    if "." in path and any(segment in {".", ".."} for segment in path.split("/")):
        return False
    return b"%" not in raw_path or _CONTROL.search(path) is None


def is_loopback(host: str) -> bool:
    """Whether a bind address is reachable from this machine only."""
    address = _read(host.strip("[]"))
    return address.is_loopback if address is not None else host == "localhost"
