"""The SSRF guard: judges the socket address about to be dialled, for every dial (security.md 2.7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from isthmus.client.errors import AddressRefused, InvalidRequest
from isthmus.client.url import clean_host

_V4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # the wire server of a large cloud: public by number, private by nature
    )
)
_V6_PUBLIC = ipaddress.IPv6Network("2000::/3")
_V6 = tuple(
    ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)
_ISATAP = {0x00005EFE, 0x02005EFE}
_OPEN_PORTS = frozenset({80, 443})
_SHUT_PORTS = frozenset(
    {1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 4444, 5432, 5672, 5984, 6379, 6443, 7000, 7001, 8086, 9042}
    | {9092, 9200, 9300, 10250, 10255, 11211, 15672, 27017, 27018, 50070, 61616}
)
_REFUSED = AddressRefused.__doc__ or ""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_allowed(allow: Iterable[str]) -> None:
    """Raise ValueError for what is neither a network nor an address nor the name of a host."""
    for one in allow:
        try:
            AddressGuard((one,))
        except InvalidRequest:
            raise ValueError(
                f"allow_networks: {one!r} is neither a network, such as 10.0.0.0/8, nor the name of a host"
            ) from None


class AddressGuard:
    """Which addresses and ports may be dialled.

    allow: networks, addresses or host names of the deployment that are let through, e.g. "127.0.0.0/8"; a name
    lets through whatever it resolves to. deny: addresses of this deployment's own listeners. ports: further ports.
    """

    def __init__(self, allow: Iterable[str] = (), *, deny: Iterable[str] = (), ports: Iterable[int] = ()) -> None:
        nets: list[Network] = []
        names: set[str] = set()
        for one in allow:
            try:
                nets.append(ipaddress.ip_network(one, strict=False))
            except ValueError:
                names.add(clean_host(one))
        self._allowed = tuple(nets)
        self._names = frozenset(names)
        self._denied = tuple(ipaddress.ip_network(one, strict=False) for one in deny)
        self._ports = _OPEN_PORTS | frozenset(ports)
        #: Hosts of URLs that passed; the verdict on a text never changes, that on a name's address is never kept.
        self._passed: set[tuple[str, int]] = set()

    def withdraw(self, allow: Iterable[str]) -> None:
        """Let these through no more, from the next address on that is dialled."""
        gone = AddressGuard(allow)
        self._allowed = tuple(one for one in self._allowed if one not in gone._allowed)
        self._names -= gone._names
        self._passed.clear()

    def allows_name(self, host: str) -> bool:
        """Whether the deployment lets this host name through whatever it resolves to."""
        return host in self._names

    def check_port(self, port: int, *, listed: bool) -> None:
        """Raise AddressRefused for a port that no web service should use."""
        if not listed and not (port in self._ports or (port >= 1024 and port not in _SHUT_PORTS)):
            raise AddressRefused(_REFUSED)

    def check(self, address: str, port: int, host: str = "") -> None:
        """Raise AddressRefused unless this literal address and port may be dialled for `host`."""
        try:
            number = ipaddress.ip_address(address)
        except ValueError:
            raise AddressRefused(_REFUSED) from None
        mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
        judged: Address = mapped or number
        if _within(judged, self._denied):
            raise AddressRefused(_REFUSED)
        listed = self.allows_name(host) or _within(judged, self._allowed)
        if not listed and is_internal(judged):
            raise AddressRefused(_REFUSED)
        self.check_port(port, listed=listed)

    def check_all(self, addresses: Iterable[str], port: int, host: str) -> None:
        """Raise AddressRefused if there is no address or any of them may not be dialled."""
        empty = True
        for address in addresses:
            empty = False
            self.check(address, port, host)
        if empty:
            raise AddressRefused(_REFUSED)

    def check_host(self, host: str, port: int) -> None:
        """Judge a URL before anything is looked up: literals at once, names by their port."""
        if (host, port) in self._passed:
            return
        self._check_host(host, port)
        if len(self._passed) < 10_000:
            self._passed.add((host, port))

    def _check_host(self, host: str, port: int) -> None:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            self.check_port(port, listed=self.allows_name(host))
        else:
            self.check(host, port, host)


def is_internal(address: Address) -> bool:
    """Whether the address is outside the public Internet by the list of security.md 2.7."""
    if isinstance(address, ipaddress.IPv4Address):
        return _within(address, _V4)
    if address not in _V6_PUBLIC or _within(address, _V6):
        return True
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)
