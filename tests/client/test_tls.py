"""The authorities of the machine are read once, until they change; what one transport is given is its own."""

import os
from pathlib import Path

import pytest
import trustme

from isthmus.client.transport import tls


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's authorities, as a file of this test."""
    place = tmp_path / "authorities.pem"
    trustme.CA().cert_pem.write_to_path(place)
    monkeypatch.setenv("SSL_CERT_FILE", str(place))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return place


def test_SS_12_pools_share_the_authorities_of_the_machine_until_they_are_written_anew(bundle: Path) -> None:
    first = tls.verified(None, None)
    assert tls.verified(None, None) is first
    trustme.CA().cert_pem.write_to_path(bundle, append=True)
    os.utime(bundle, ns=(1, 1))
    assert len(tls.verified(None, None).get_ca_certs()) == len(first.get_ca_certs()) + 1


def test_SS_12_whoever_is_given_an_authority_trusts_it_alone(bundle: Path) -> None:
    mine = tls.verified(str(bundle), None)
    assert mine is not tls.verified(str(bundle), None)
    assert tls.verified(None, None) is not mine
    assert tls.own(None, None) is not tls.own(None, None)
