"""Who takes part: applications, sellers, warehouses."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from isthmus.sandbox.shelf import Shelf

#: No control characters, user names, backslashes or fragments: what a browser and a parser could read differently.
_ADDRESS = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[::1\])(?::[0-9]{1,5})?(?:[/?][!-\"$-\[\]-~]*)?", re.ASCII)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(slots=True, eq=False)
class App:
    """A registered application.

    `credentials` carries the field names of the platform's connector. `redirects` lists the registered callback
    addresses: an exact address, or a bare origin such as `https://app.example`; any loopback address is registered.
    `owner` is the seller an in-house application acts for.
    """

    key: str
    name: str
    credentials: dict[str, str] = field(repr=False)
    scopes: frozenset[str] = frozenset()
    redirects: list[str] = field(default_factory=list)
    owner: str | None = None
    #: What is special about this application on its platform, such as being unable to refresh.
    traits: frozenset[str] = frozenset()

    def accepts(self, redirect: str) -> bool:
        """Whether the seller may be sent back to this address."""
        if not _ADDRESS.fullmatch(redirect):
            return False
        parts = urlsplit(redirect)
        return (
            parts.hostname in _LOOPBACK
            or redirect in self.redirects
            or f"{parts.scheme}://{parts.netloc}" in self.redirects
        )


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A place that holds stock."""

    id: str
    name: str


@dataclass(slots=True, eq=False)
class Seller:
    """A merchant's account on the platform; `blocked` ones are answered with the platform's refusal."""

    id: str
    name: str
    email: str
    shelf: Shelf = field(repr=False)
    country: str = "VN"
    currency: str = "VND"
    warehouses: tuple[Warehouse, ...] = ()
    blocked: bool = False
    #: Ids under which the platform knows this account besides `id`, by name.
    extra: dict[str, str] = field(default_factory=dict)
