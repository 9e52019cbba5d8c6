"""The TLS of the transports: always verified, against the authorities of the machine and those that are given."""

import ssl
from functools import lru_cache
from pathlib import Path


def own(ca: str | None, client_cert: tuple[str, str] | None) -> ssl.SSLContext:
    """One that its transport may change. ca: PEM file of further authorities. client_cert: (certificate, key) files."""
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(cafile=ca)
    if client_cert is not None:
        context.load_cert_chain(*client_cert)
    return context


def verified(ca: str | None, client_cert: tuple[str, str] | None) -> ssl.SSLContext:
    """One that nobody changes: without authorities and a certificate of its own a transport shares it with others."""
    return own(ca, client_cert) if ca or client_cert else _of_the_machine(_written())


# Reading some hundred and fifty authorities takes tens of milliseconds, which each new pool would pay.
@lru_cache(maxsize=1)
def _of_the_machine(written: tuple[tuple[str, int], ...]) -> ssl.SSLContext:
    del written
    return own(None, None)


def _written() -> tuple[tuple[str, int], ...]:
    """The places of the machine's authorities and when each was written: what has changed is read anew."""
    paths = ssl.get_default_verify_paths()
    places = [Path(one) for one in (paths.cafile, paths.capath) if one]
    return tuple((str(one), one.stat().st_mtime_ns) for one in places)
