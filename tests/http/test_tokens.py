"""Tokens: what is believed and what is not, claim by claim (security.md JT-01 to JT-09)."""

import asyncio
import base64
import hmac
import json
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jwt
from tests.http.conftest import MakeLab

from isthmus.client import ConnectFailed
from isthmus.http import Routes, document
from isthmus.http.auth import Credentials, Verified
from isthmus.http.errors import CannotStart
from isthmus.http.jwks import JwksKeys
from isthmus.http.tokens import Issuer, Key, SharedKey, TokenAuthenticator, mint, own_issuer
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.permissions import USER, permission
from isthmus.kit.secret import Secret

CLOCK = ManualClock()
NOW = int(CLOCK.now().timestamp())
SHARED = SharedKey(Secret("k" * 40))
RSA = jwk.RSAKey.generate_key(2048)
EC = jwk.ECKey.generate_key("P-256")
EC384 = jwk.ECKey.generate_key("P-384")
PLAIN = '{"alg":"RS256","kid":"one"}'
READ = permission("tokens:read", "read", USER)


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


def parts(*texts: str) -> str:
    """Texts as they stand in a token."""
    return ".".join(b64(text.encode()) for text in texts)


def by_hand(header: str, said: str, key: jwk.RSAKey = RSA) -> str:
    """A token that is rightly signed, whatever its texts are: what is refused is refused for them."""
    text = parts(header, said)
    private = key.private_key
    assert isinstance(private, RSAPrivateKey)
    return f"{text}.{b64(private.sign(text.encode(), PKCS1v15(), SHA256()))}"


def headed(**header: Any) -> str:
    """A token with good claims and this header, rightly signed."""
    return by_hand(json.dumps({"alg": "RS256", "kid": "one"} | header), json.dumps(claims()))


def hashed(secret: bytes) -> str:
    """A token for whose signature somebody took what is public for a secret."""
    text = parts('{"alg":"HS256","kid":"one"}', json.dumps(claims()))
    return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha256'))}"


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


async def known_keys() -> dict[str, Any]:
    """The issuer's key document."""
    return {"keys": [{**RSA.as_dict(private=False), "kid": "one"}]}


def forgeries() -> dict[str, str]:
    """What some library or other has believed, and an elliptic key of another curve than its algorithm's."""
    return {
        "none": parts('{"alg":"none"}', json.dumps(claims())) + ".",
        "HS256 with the RSA key": hashed(RSA.as_der(private=False)),
        "HS256 with its PEM": hashed(RSA.as_pem(private=False)),
        "an unknown crit": headed(crit=["more"], more=True),
        "exp is a string": by_hand(PLAIN, json.dumps(claims(exp=str(NOW + 600)))),
        "exp is no number": by_hand(PLAIN, json.dumps(claims(exp=float("nan")))),
        "exp has no end": by_hand(PLAIN, json.dumps(claims(exp=float("inf")))),
        "iat is to come": by_hand(PLAIN, json.dumps(claims(iat=NOW + 300))),
        "an unknown kid": headed(kid="two"),
        "a kid that is no text": headed(kid=1),
        "another curve": signed(claims(iss="https://curves.example.com"), EC384, alg="ES384"),
        "another curve under the known name": curved(),
    }


def curved() -> str:
    """A token of a P-384 key that says ES256."""
    _, said, signature = signed(claims(iss="https://curves.example.com"), EC384, alg="ES384").split(".")
    return ".".join((parts('{"alg":"ES256","kid":"one"}'), said, signature))


async def test_JT_01_each_forgery_is_answered_with_401_and_the_same_body(lab: MakeLab) -> None:
    routes = Routes(prefix="/api", tag="Tokens")

    @routes.get("/me", permission=READ, limit="other", response_model=None, summary="Me")
    async def me() -> Any:
        return document({})

    clock = ManualClock()
    believed = issuer(keys=JwksKeys(known_keys, clock))
    curves = issuer(name="https://curves.example.com", keys=Fixed(EC384), algorithms=("ES256",))
    here = lab(routes, authenticators=[TokenAuthenticator([believed, curves], clock)])

    async def shown(token: str) -> tuple[int, Any]:
        answer = await here.call("GET", "/api/me", headers={"authorization": f"Bearer {token}"})
        error = answer.json().get("error", {})
        return answer.status_code, {name: said for name, said in error.items() if name != "requestId"}

    assert (await shown(headed()))[0] == 200
    told = {name: await shown(token) for name, token in forgeries().items()}
    assert len(told) == 12
    nobody = await here.call("GET", "/api/me")
    expected = {name: said for name, said in nobody.json()["error"].items() if name != "requestId"}
    assert told == dict.fromkeys(told, (401, expected))


def test_JT_02_short_keys_stop_the_start() -> None:
    for length in (8, 31):
        with pytest.raises(CannotStart, match=r"auth\.hs256.*32 bytes"):
            SharedKey(Secret("k" * length))


KIDS = ["", "x" * 129, "x" * 7_000, 7, None, "a\nb", "kľúč", "../../dev/null", "' or 1", "' or '1'='1"]


async def test_JT_03_a_key_id_is_a_plain_name_and_never_a_path_or_a_statement() -> None:
    """Of ten kilobytes it would not fit into a token, which is refused for its size (JT-08)."""
    keys = JwksKeys(known_keys, CLOCK)
    await verify(headed(), issuer(keys=keys))
    for kid in KIDS:
        # a key source that knows one key would answer it to any name: what is no name does not come that far
        await refused(headed(kid=kid), issuer(keys=keys))
        plain = isinstance(kid, str) and 1 <= len(kid) <= 128 and kid.isascii() and kid.isprintable()
        if not plain:
            await refused(headed(kid=kid), issuer(keys=Fixed(RSA)))
    await refused(headed(kid="x" * 10_000), issuer(keys=keys))


async def test_JT_03_keys_and_addresses_of_keys_in_the_header_are_ignored() -> None:
    asked = []

    async def listens(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer.get_extra_info("peername"))
        writer.close()

    other = jwk.RSAKey.generate_key(2048)
    async with await asyncio.start_server(listens, "127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/keys"
        keys = JwksKeys(known_keys, CLOCK)
        for more in ({"jku": url}, {"x5u": url}, {"x5c": ["AA"]}, {"jwk": other.as_dict(private=False)}):
            header = json.dumps({"alg": "RS256", "kid": "one", **more})
            await refused(by_hand(header, json.dumps(claims()), other), issuer(keys=keys))
            assert (await verify(by_hand(header, json.dumps(claims())), issuer(keys=keys))).principal.subject == "usr_1"
    assert asked == []
    await refused(headed(crit=["exp"]))


async def test_JT_04_ten_thousand_tokens_with_random_key_ids_ask_once_and_old_ones_outlast_the_issuer() -> None:
    clock, asked = ManualClock(), 0

    async def fetch() -> object:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise ConnectFailed
        return await known_keys()

    door = TokenAuthenticator([issuer(keys=JwksKeys(fetch, clock))], clock)
    _, said, signature = signed(claims()).split(".")
    for number in range(10_000):
        with pytest.raises(Unauthenticated):
            header = parts(f'{{"alg":"RS256","kid":"random-{number}"}}')
            await door.verify(Credentials("bearer", f"{header}.{said}.{signature}"))
    assert asked == 1
    for _ in range(23):
        clock.advance(3600)
        now = int(clock.now().timestamp())
        assert await door.verify(Credentials("bearer", signed(claims(iat=now, exp=now + 600))))
        await asyncio.sleep(0)
    assert asked > 1, "the issuer was asked, and was not there"


@pytest.mark.parametrize(
    ("clock", "good"), [(-61, False), (-60, True), (0, True), (600 + 59, True), (600 + 60, False), (600 + 61, False)]
)
@pytest.mark.parametrize("begins", ["iat", "nbf"])
async def test_JT_05_sixty_seconds_of_leeway(clock: int, good: bool, begins: str) -> None:
    """A token that is good from now on for ten minutes, at clocks that go wrong; at its end it must be before that."""
    moved = ManualClock()
    token = signed(claims(**({"nbf": NOW, "iat": NOW - 120} if begins == "nbf" else {})))
    moved.step(clock)
    door = TokenAuthenticator([issuer()], moved)
    if good:
        assert await door.verify(Credentials("bearer", token))
    else:
        with pytest.raises(Unauthenticated):
            await door.verify(Credentials("bearer", token))


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
    good, said = PLAIN, json.dumps(claims())
    await verify(by_hand(good, said))
    await refused(by_hand('{"alg":"RS256","kid":"one","kid":"one"}', said))
    await refused(by_hand('{"alg":"HS256","alg":"RS256","kid":"one"}', said))
    for name in ("sub", "tenantId", "roles", "exp"):
        await refused(by_hand(good, f'{{"{name}":{json.dumps(claims()[name])},{said[1:]}'))
    await refused(by_hand(good, f'{{"more":{{"a":1,"a":2}},{said[1:]}'))
    await verify(signed(claims(extra="x" * 5000)))
    await refused(signed(claims(extra="x" * 9000)))
    await refused("a.b.c.d.e")
    await refused(parts('{"alg":"RSA-OAEP","enc":"A256GCM"}', "k" * 256) + ".AA.AA.AA")
    await refused(signed(claims(extra=float("nan"))))


async def test_JT_09_the_same_subject_of_two_issuers_is_two_principals() -> None:
    second = issuer(name="https://two.example.com")
    one = await verify(signed(claims()), issuer(), second)
    two = await verify(signed(claims(iss="https://two.example.com")), issuer(), second)
    assert one.principal.id != two.principal.id


async def test_JT_09_the_same_subject_of_two_issuers_has_two_limits(lab: MakeLab) -> None:
    routes = Routes(prefix="/api", tag="Tokens")

    @routes.get("/me", permission=READ, limit="other", response_model=None, summary="Me")
    async def me() -> Any:
        return document({})

    names = ("https://id.example.com", "https://two.example.com")
    door = TokenAuthenticator([issuer(name=name) for name in names], ManualClock())
    here = lab(routes, authenticators=[door], settings={"limits": {"other": 2}})
    told = []
    for name in (names[0],) * 3 + (names[1],) * 3:
        shown = {"authorization": f"Bearer {signed(claims(iss=name))}"}
        told.append((await here.call("GET", "/api/me", headers=shown)).status_code)
    assert told == [200, 200, 429, 200, 200, 429]


@given(st.text(max_size=200))
async def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await TokenAuthenticator([issuer()], CLOCK).verify(Credentials("bearer", text))
