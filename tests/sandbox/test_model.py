"""Callback addresses: loopback is registered, everything a browser might read differently is refused."""

import pytest

from isthmus.sandbox.model import App

APP = App("1", "one", {}, redirects=["https://app.example/cb", "https://other.example:8443"])


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:5000/callback?state=a%20b",
        "http://localhost/x",
        "http://[::1]:80/x",
        "https://app.example/cb",
        "https://other.example:8443/any?thing=1",
    ],
)
def test_registered_addresses_are_accepted(address: str) -> None:
    assert APP.accepts(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/cb",
        "https://app.example/cb2",
        "https://other.example/any",
        "ftp://localhost/x",
        "javascript:alert(1)//localhost",
        "http://127.0.0.1@evil.example/",
        "http://evil.example\\@127.0.0.1/",
        "http://localhost.evil.example/",
        "http://localhost/\r\nset-cookie: a=b",
        "http://localhost/ü",
        "http://localhost/a#b",
        "http://[evil]/",
    ],
)
def test_every_other_address_is_refused(address: str) -> None:
    assert not APP.accepts(address)
