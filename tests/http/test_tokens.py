"""Tokens: what is believed and what is not, claim by claim (security.md JT-01 to JT-09)."""

import base64
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jwt

from isthmus.http.auth import Credentials, Verified
from isthmus.http.errors import CannotStart
from isthmus.http.tokens import Issuer, Key, SharedKey, TokenAuthenticator, mint, own_issuer
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.secret import Secret

CLOCK = ManualClock()
NOW = int(CLOCK.now().timestamp())
SHARED = SharedKey(Secret("k" * 40))
RSA = jwk.RSAKey.generate_key(2048)
EC = jwk.ECKey.generate_key("P-256")
EC384 = jwk.ECKey.generate_key("P-384")


class Fixed:
    """Answers one key, whatever is asked."""

    def __init__(self, key: Key) -> None:
        self.found = key

    async def key(self, _kid: str | None, _algorithm: str, /) -> Key | None:
        return self.found


def issuer(**changed: Any) -> Issuer:
    values: dict[str, Any] = {
        "name": "https://id.example.com",
        "keys": Fixed(RSA),
        "algorithms": ("RS256",),
        "audience": "isthmus",
        "tenants": frozenset({"ten_a"}),
    }
    return Issuer(**(values | changed))


def claims(**changed: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "iss": "https://id.example.com",
        "aud": "isthmus",
        "sub": "usr_1",
        "tenantId": "ten_a",
        "roles": ["user"],
        "iat": NOW,
        "exp": NOW + 600,
    }
    return {name: value for name, value in (values | changed).items() if value is not None}


def signed(said: dict[str, Any], key: Key = RSA, **header: Any) -> str:
    head = {"alg": "RS256", "kid": "one"} | header
    return jwt.encode(head, said, key, algorithms=[head["alg"]])


async def verify(token: str, *issuers: Issuer) -> Verified:
    found = await TokenAuthenticator(issuers or (issuer(),), CLOCK).verify(Credentials("bearer", token))
    assert found is not None
    return found


async def refused(token: str, *issuers: Issuer) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await verify(token, *issuers)
    assert caught.value.message == Unauthenticated().message


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


async def test_a_good_token_names_its_principal() -> None:
    found = await verify(signed(claims(roles=["user", "captain"], aud=["other", "isthmus"])))
    assert found.principal.id == "user:https://id.example.com:usr_1"
    assert found.principal.tenant_id == "ten_a"
    assert found.principal.roles == {"user"}


async def test_a_minted_token_comes_back_as_its_principal() -> None:
    token = mint(SHARED, tenant_id="ten_b", subject="ada", roles=["tenant_admin"], clock=CLOCK)
    found = await verify(token.reveal(), own_issuer(SHARED))
    assert found.principal.tenant_id == "ten_b"
    assert found.principal.roles == {"tenant_admin"}
    with pytest.raises(ValueError, match="unknown roles: captain"):
        mint(SHARED, tenant_id="t", subject="s", roles=["captain"], clock=CLOCK)
    with pytest.raises(ValueError, match="24 hours"):
        mint(SHARED, tenant_id="t", subject="s", roles=["user"], clock=CLOCK, seconds=100_000)


async def test_JT_01_forgeries_of_the_algorithm_are_refused() -> None:
    payload = b64(json.dumps(claims()).encode())
    for algorithm in ("none", "None", "HS256", "RS512", ["RS256"], None):
        await refused(f"{b64(json.dumps({'alg': algorithm}).encode())}.{payload}.{b64(b'x' * 32)}")
    public = RSA.as_pem(private=False)
    forged = jwk.OctKey.import_key(b"p" * 64)
    await refused(signed(claims(), forged, alg="HS256"), issuer(keys=Fixed(jwk.RSAKey.import_key(public))))
    await refused(signed(claims(), EC384, alg="ES384"), issuer(keys=Fixed(EC384), algorithms=("ES256",)))
    await refused(signed(claims(), EC, alg="ES256"), issuer(keys=Fixed(EC384), algorithms=("ES256",)))
    tampered = signed(claims()).split(".")
    await refused(".".join([tampered[0], b64(json.dumps(claims(sub="usr_2")).encode()), tampered[2]]))
    with pytest.raises(CannotStart, match="one family"):
        issuer(algorithms=("RS256", "ES256"))


def test_JT_02_short_keys_stop_the_start() -> None:
    for length in (8, 31):
        with pytest.raises(CannotStart, match=r"auth\.hs256.*32 bytes"):
            SharedKey(Secret("k" * length))


async def test_JT_03_key_ids_are_plain_names_and_keys_in_headers_are_ignored() -> None:
    for kid in ("", "x" * 129, 7, "a\nb", "kľúč"):
        head = b64(json.dumps({"alg": "RS256", "kid": kid}).encode())
        await refused(f"{head}.{b64(json.dumps(claims()).encode())}.{b64(b'x' * 256)}")
    other = jwk.RSAKey.generate_key(2048)
    await refused(signed(claims(), other, jwk=other.as_dict(private=False)))
    critical = b64(json.dumps({"alg": "RS256", "kid": "one", "crit": ["exp"]}).encode())
    await refused(f"{critical}.{b64(json.dumps(claims()).encode())}.{b64(b'x' * 256)}")


@pytest.mark.parametrize(("moved", "good"), [(-61, False), (-59, True), (59, True), (61, False)])
async def test_JT_05_sixty_seconds_of_leeway(moved: int, good: bool) -> None:
    expired = signed(claims(exp=NOW + moved, iat=NOW - 600)) if moved < 0 else signed(claims(nbf=NOW + moved))
    if good:
        await verify(expired)
    else:
        await refused(expired)


async def test_JT_05_claims_must_be_there_and_mean_us() -> None:
    for changed in (
        {"exp": None},
        {"exp": str(NOW + 60)},
        {"exp": True},
        {"exp": 1e400},
        {"exp": NOW + 25 * 3600},
        {"iat": NOW + 61},
        {"iss": "https://id.example.com/"},
        {"aud": "isthmus2"},
        {"aud": ["other"]},
        {"aud": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\x00b"},
        {"tenantId": None},
        {"roles": "user"},
        {"roles": [1]},
    ):
        head = b64(json.dumps({"alg": "RS256", "kid": "one"}).encode())
        body = b64(json.dumps(claims(**changed)).encode())
        signature = signed(claims()).rpartition(".")[2]
        await refused(f"{head}.{body}.{signature}")
        if changed.get("exp") != 1e400:
            await refused(signed(claims(**changed)))


async def test_JT_06_only_access_tokens() -> None:
    strict = issuer(demands_access_type=True)
    await verify(signed(claims(), typ="at+jwt"), strict)
    await refused(signed(claims(), typ="JWT"), strict)
    others: list[dict[str, Any]] = [
        {"nonce": "n"},
        {"at_hash": "h"},
        {"token_use": "id"},
        {"typ": "Refresh"},
        {"events": {}},
    ]
    for changed in others:
        await refused(signed(claims(**changed)))
    await refused(signed(claims(), typ="logout+jwt"))


async def test_JT_07_an_issuer_speaks_for_its_tenants_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "isthmus.http.auth"):
        await refused(signed(claims(tenantId="ten_b")))
        await refused(signed(claims(roles=["super_admin"])))
    assert [record.__dict__["subject"] for record in caplog.records] == ["usr_1", "usr_1"]
    found = await verify(signed(claims(roles=["super_admin"])), issuer(may_name_super_admins=True))
    assert found.principal.roles == {"super_admin"}


async def test_JT_08_PA_02_doubled_names_long_tokens_and_encrypted_ones_are_refused() -> None:
    head = b64(b'{"alg":"RS256","kid":"one","kid":"two"}')
    await refused(f"{head}.{b64(json.dumps(claims()).encode())}.AA")
    body = b64(b'{"sub":"a",' + json.dumps(claims()).encode()[1:])
    await refused(f"{b64(json.dumps({'alg': 'RS256'}).encode())}.{body}.AA")
    await refused(signed(claims(extra="x" * 9000)))
    await refused("a.b.c.d.e")
    await refused(signed(claims(extra=float("nan"))))


async def test_JT_09_the_same_subject_of_two_issuers_is_two_principals() -> None:
    second = issuer(name="https://two.example.com")
    one = await verify(signed(claims()), issuer(), second)
    two = await verify(signed(claims(iss="https://two.example.com")), issuer(), second)
    assert one.principal.id != two.principal.id


@given(st.text(max_size=200))
async def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await TokenAuthenticator([issuer()], CLOCK).verify(Credentials("bearer", text))
