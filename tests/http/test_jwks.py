"""Keys of foreign issuers: fetched rarely, kept while the issuer is down, and only what is a public key (JT-04)."""

import asyncio
from typing import Any

import pytest
from joserfc import jwk
from tests.http.conftest import MakeLab

from isthmus.client import ConnectFailed
from isthmus.http import PUBLIC, HttpSettings, Routes, Server, document
from isthmus.http.errors import CannotStart
from isthmus.http.jwks import JwksKeys, fetcher, read_keys
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unavailable

RSA = jwk.RSAKey.generate_key(2048)
EC = jwk.ECKey.generate_key("P-256")


def listed(*keys: tuple[str, Any]) -> dict[str, Any]:
    return {"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in keys]}


class Issuer:
    """A key document that can be changed and taken down."""

    def __init__(self, document: object) -> None:
        self.document = document
        self.asked = 0
        self.down = False

    async def __call__(self) -> object:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise ConnectFailed
        return self.document


def source(document: object) -> tuple[JwksKeys, Issuer, ManualClock]:
    clock, far = ManualClock(), Issuer(document)
    return JwksKeys(far, clock), far, clock


async def test_JT_04_many_unknown_key_ids_ask_once() -> None:
    keys, far, clock = source(listed(("one", RSA)))
    await asyncio.gather(*(keys.key(f"random-{number}", "RS256") for number in range(200)))
    assert far.asked == 1
    assert await keys.key("one", "RS256") is not None
    clock.advance(61)
    for number in range(200):
        assert await keys.key(f"again-{number}", "RS256") is None
    assert far.asked == 2


async def test_JT_04_a_new_key_is_found_within_a_minute_and_the_old_one_goes() -> None:
    keys, far, clock = source(listed(("one", RSA)))
    assert await keys.key("one", "RS256") is not None
    far.document = listed(("two", EC))
    clock.advance(61)
    assert await keys.key("two", "ES256") is not None
    assert await keys.key("one", "RS256") is None


async def test_JT_04_old_keys_serve_a_day_while_the_issuer_is_down() -> None:
    keys, far, clock = source(listed(("one", RSA)))
    assert await keys.key("one", "RS256") is not None
    far.down = True
    clock.advance(23 * 3600)
    assert await keys.key("one", "RS256") is not None
    await asyncio.sleep(0.01)
    clock.advance(2 * 3600)
    with pytest.raises(Unavailable):
        await keys.key("one", "RS256")


async def test_an_issuer_that_was_never_reached_is_unavailable_not_a_wrong_token() -> None:
    keys, far, _ = source({})
    far.down = True
    with pytest.raises(Unavailable):
        await keys.key("one", "RS256")


async def test_a_token_without_key_id_fits_only_a_lone_key() -> None:
    lone, _, _ = source(listed(("one", RSA), ("two", EC)))
    assert await lone.key(None, "RS256") is not None
    several, _, _ = source(listed(("one", RSA), ("two", jwk.RSAKey.generate_key(2048))))
    assert await several.key(None, "RS256") is None


def test_only_public_signature_keys_of_known_types_are_read() -> None:
    good = {**RSA.as_dict(private=False), "kid": "good"}
    entries = [
        good,
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {**good, "kid": "encrypts", "use": "enc"},
        {**good, "kid": "signs", "key_ops": ["sign"]},
        {**good, "kid": ""},
        {**good, "kid": "weak", "n": "wAAAAAAB" * 21},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "point", "x": "AA", "y": "AA"},
        {**good, "n": EC.as_dict(private=False)["x"]},
        "text",
        None,
    ]
    found = read_keys({"keys": entries})
    assert [kid for kid, _, _ in found] == ["good"]
    assert read_keys([]) == read_keys({"keys": {}}) == read_keys(None) == []
    assert len(read_keys({"keys": [{**good, "kid": str(number)} for number in range(500)]})) == 100


def test_a_key_address_is_https_or_on_this_machine() -> None:
    for url in ("http://id.example.com/keys", "ftp://127.0.0.1/keys", "https:///keys", "keys"):
        with pytest.raises(CannotStart, match="jwks_url"):
            fetcher(url)


async def test_keys_are_fetched_over_http_with_a_cap(lab: MakeLab) -> None:
    routes = Routes(prefix="", tag="Keys")

    @routes.get("/keys", permission=PUBLIC, limit="open", response_model=None, summary="Keys")
    async def answer() -> Any:
        return document(listed(("one", RSA)))

    @routes.get("/huge", permission=PUBLIC, limit="open", response_model=None, summary="Huge")
    async def huge() -> Any:
        return document({"keys": ["x" * 300_000]})

    async with Server(lab(routes).app, settings=HttpSettings()).running() as server:
        keys = JwksKeys(fetcher(f"{server.url}/keys"), ManualClock())
        assert await keys.key("one", "RS256") is not None
        with pytest.raises(Unavailable):
            await JwksKeys(fetcher(f"{server.url}/huge"), ManualClock()).key("one", "RS256")
