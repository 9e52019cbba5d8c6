"""Why a platform gave no usable answer, in words that say what can be done (pure)."""

from collections.abc import Mapping

_AGAIN = "try again shortly"
_HOSTS = "look at the hosts that are set"

#: By kind of failure: what happened, and what to do. No text of the far side's is in them, and no address.
_WHY: Mapping[str, tuple[str, str]] = {
    "address_refused": (
        "this deployment does not call that address",
        f"{_HOSTS}, or have its operator allow the network",
    ),
    "connect_failed": ("no connection to it could be made", f"{_AGAIN}; if it stays, {_HOSTS}"),
    "tls_failed": ("its certificate was not accepted", _HOSTS),
    "disconnected": ("the connection broke off", _AGAIN),
    "deadline_exceeded": ("it did not answer in time", _AGAIN),
    "malformed_body": ("its answer cannot be read", f"{_HOSTS}; they may lead to something else"),
    "too_large": ("its answer is too large", f"{_HOSTS}; they may lead to something else"),
    "redirect_refused": ("it sends callers on to another address", _HOSTS),
    "account_unnamed": ("its answer does not say whose account this is", f"{_HOSTS}, and at its definition"),
    "throttled": ("it asks to slow down", "try again later"),
    "transient": ("it failed itself", _AGAIN),
    "breaker_open": ("it failed too often just now", _AGAIN),
}


def lasting(kind: object) -> bool:
    """Whether trying again does not help: an address, or what is known of a provider, is wrong."""
    why = _WHY.get(kind) if isinstance(kind, str) else None
    return why is not None and not why[1].startswith("try again")


def told(kind: str) -> str | None:
    """The sentence of a kind of failure; None where there is nothing to say beyond that it failed."""
    why = _WHY.get(kind)
    return f"The platform gave no usable answer: {why[0]}. Nothing was changed; {why[1]}." if why else None
