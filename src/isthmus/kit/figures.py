"""Figures of a running deployment, as rooms tell them and `/metrics` shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One number now.

    `name` and `about` are the same for all figures of a kind. Labels come from short, fixed lists: never a tenant, a
    user, a shop or an address (design/api.md). total: it only grows while the process lives.
    """

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    total: bool = False
