"""Addresses with parts that differ from one account to the next, such as `https://{subdomain}.example.com` (pure)."""

import re
from collections.abc import Mapping

from isthmus.client.errors import InvalidRequest
from isthmus.client.url import parse
from isthmus.connect.service import names_in

_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?", re.ASCII)


class Misfit(ValueError):
    """A part that cannot stand in an address; `part` is its name."""

    def __init__(self, part: str, taken: str) -> None:
        super().__init__(f"{part} becomes a part of an address: only {taken} can be taken")
        self.part = part


def static(hosts: Mapping[str, str]) -> dict[str, str]:
    """The addresses that are the same for every account."""
    return {name: address for name, address in hosts.items() if "{" not in address}


def fill(hosts: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The addresses with their parts filled in; one whose part is missing is left out.

    A value stands for letters, digits, dots and hyphens inside an address, or for a whole `https` address where the
    template begins with it. Raises Misfit, naming the part and never its value.
    """
    filled: dict[str, str] = {}
    for name, address in hosts.items():
        parts = names_in(address)
        if any(not values.get(part) for part in parts):
            continue
        for part in parts:
            given = values[part]
            whole = address.startswith(f"{{{part}}}")
            if not (_is_address(given) if whole else _PART.fullmatch(given)):
                raise Misfit(part, "a whole https address" if whole else "letters, digits, dots and hyphens")
            address = address.replace(f"{{{part}}}", given.rstrip("/"))  # noqa: PLW2901 - filled part by part
        filled[name] = address
    return filled


def _is_address(given: str) -> bool:
    try:
        found = parse(given)
    except InvalidRequest:
        return False
    return found.scheme == "https" and not found.query
