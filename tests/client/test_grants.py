"""The exchanges of standard OAuth2: what is sent, what is believed, and what counts as the end."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from isthmus.client import (
    NEVER,
    ApiClient,
    MalformedBody,
    MemoryTokenStore,
    OAuth2,
    RefreshFailed,
    RefreshRefused,
    Throttled,
    TokenEndpoint,
    Tokens,
)
from isthmus.client.auth.grants import tokens_of
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret

Replies = Callable[..., bytes]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = Tokens(Secret("old"), Secret("refresh me"), NOW)


def reply(respond: Replies, status: int = 200, **body: object) -> bytes:
    return respond(status, msgspec.json.encode(body))


@pytest.mark.parametrize("style", ["body", "basic"])
async def test_a_refresh_is_sent_as_the_standard_says(far_side: Any, respond: Replies, style: Any) -> None:
    far_side.answer("/token", reply(respond, access_token="a", refresh_token="r", expires_in=60, scope="x y"))
    async with ApiClient(far_side.url, retry=NEVER, redirects=0) as caller:
        endpoint = TokenEndpoint(
            caller=caller,
            url="/token",
            client_id="id&1",
            client_secret=Secret("s:e"),
            style=style,
            clock=ManualClock(NOW),
        )
        found = await endpoint.refresh(OLD)
    assert (found.access_token.reveal(), found.scope) == ("a", ("x", "y"))
    assert found.expires_at == NOW + timedelta(seconds=60)
    sent = {name: values[0] for name, values in parse_qs(far_side.seen[0].body.decode()).items()}
    if style == "basic":
        assert far_side.seen[0].headers["authorization"] == "Basic " + b64encode(b"id%261:s%3Ae").decode()
        assert "client_secret" not in sent
    else:
        assert (sent["client_id"], sent["client_secret"]) == ("id&1", "s:e")
    assert (sent["grant_type"], sent["refresh_token"]) == ("refresh_token", "refresh me")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant"}, RefreshRefused),
        (401, {"error": "invalid_client"}, RefreshFailed),
        (400, {"error": "temporarily_unavailable"}, RefreshFailed),
        (503, {}, RefreshFailed),
        (429, {}, Throttled),
        (200, {"token_type": "bearer"}, MalformedBody),
        (200, {"access_token": 7}, MalformedBody),
    ],
)
async def test_only_a_dead_grant_is_the_end(
    far_side: Any, respond: Replies, status: int, body: dict[str, object], kind: type[Exception]
) -> None:
    far_side.answer("/token", reply(respond, status, **body))
    async with ApiClient(far_side.url, retry=NEVER) as caller:
        endpoint = TokenEndpoint(caller=caller, url="/token", client_id="id")
        with pytest.raises(kind):
            await endpoint.refresh(OLD)
    assert len(far_side.seen) == 1


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [(3600, 3600), ("3600", 3600), (0, 0), (-5, None), ("soon", None), (None, None), (True, None), (1e12, 315_360_000)],
)
def test_OA_13_a_lifetime_is_believed_little(stated: object, seconds: float | None) -> None:
    found = tokens_of({"access_token": "a", "expires_in": stated}, NOW)
    assert found.expires_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


async def test_client_credentials_and_codes_need_no_refresh_token(far_side: Any, respond: Replies) -> None:
    far_side.answer("/token", reply(respond, access_token="app", expires_in=3600))
    far_side.answer("/me", respond())
    store = MemoryTokenStore(Tokens(Secret("")))
    async with ApiClient(far_side.url, retry=NEVER) as caller:
        endpoint = TokenEndpoint(caller=caller, url="/token", client_id="id", scope=("read",))
        auth = OAuth2(store, endpoint.client_credentials)
        async with ApiClient(far_side.url, auth=auth) as api:
            await api.get("/me")
        await endpoint.authorization_code("c0de", "https://app.test/cb", "v" * 43)
    assert far_side.seen[1].headers["authorization"] == "Bearer app"
    forms = [parse_qs(far_side.seen[at].body.decode()) for at in (0, 2)]
    assert (forms[0]["grant_type"], forms[0]["scope"]) == (["client_credentials"], ["read"])
    assert (forms[1]["code_verifier"], forms[1]["redirect_uri"]) == (["v" * 43], ["https://app.test/cb"])
    assert "scope" not in forms[1]
