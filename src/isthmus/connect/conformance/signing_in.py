"""Plays about consent, codes and tokens: what must hold from the link to the hundredth refresh."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from dataclasses import replace

from isthmus.client import (
    ClientError,
    Misconfigured,
    PlatformError,
    ReauthorizationRequired,
    RefreshFailed,
    RefreshRefused,
    Refused,
    TokenRejected,
)
from isthmus.connect.conformance.report import Broken, require
from isthmus.connect.conformance.stage import REDIRECT, Play, Skewed, with_secret
from isthmus.connect.spi import ConsentDenied, Granted
from isthmus.kit import ids
from isthmus.kit.secret import Secret

_CALLERS = 20
#: Longer than any clock window of a signature.
_SKEW = 3 * 3600.0


async def a_consent_gives_an_account_that_works(play: Play) -> None:
    """The granted account has an id and a name, and the cheapest call says the same."""
    granted = await play.connect()
    require(len(granted) == 1, f"one shop agreed, {len(granted)} are granted")
    require(granted[0].account.id and granted[0].account.name, "the account has an id and a name")
    require(granted[0].tokens.access_token, "there is an access token")
    async with play.session(granted[0]) as session:
        said = await play.connector.test(session)
    require(said.id == granted[0].account.id, f"the test says {said.id!r}, the grant {granted[0].account.id!r}")


async def a_refusal_grants_nothing(play: Play) -> None:
    """Deny on the consent page is a ConsentDenied."""
    query = await play.callback(play.stage.account("main"), approve=False)
    try:
        play.connector.read_callback(query, REDIRECT)
    except ConsentDenied:
        return
    raise Broken("a refusal was read as consent")


async def a_code_works_once(play: Play) -> None:
    """The second exchange of a code ends in the platform's no."""
    callback = play.connector.read_callback(await play.callback(play.stage.account("main")), REDIRECT)
    async with play.plain() as client:
        await play.connector.exchange(play.stage.app, callback, client, play.stage.clock)
        try:
            await play.connector.exchange(play.stage.app, callback, client, play.stage.clock)
        except PlatformError:
            return
    raise Broken("a code was traded twice")


async def a_stolen_code_is_worth_nothing(play: Play) -> None:
    """Where PKCE is used, a code without its verifier is refused (OA-07)."""
    oauth = play.manifest.oauth
    if oauth is None or not oauth.pkce:
        return
    verifier = ids.token(256)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    for sent, good in ((ids.token(256), False), (verifier, True)):
        query = await play.callback(play.stage.account("main"), challenge=challenge)
        callback = replace(play.connector.read_callback(query, REDIRECT), verifier=Secret(sent))
        async with play.plain() as client:
            try:
                await play.connector.exchange(play.stage.app, callback, client, play.stage.clock)
            except PlatformError:
                require(not good, "the right verifier was refused")
                continue
        require(good, "a wrong verifier was accepted")


async def a_refresh_brings_tokens_that_work(play: Play) -> None:
    """The new pair works, and an unknown refresh token is refused for good, not for now."""
    granted = (await play.connect())[0]
    async with play.plain() as client:
        fresh = await play.connector.refresh(play.stage.app, granted.account, granted.tokens, client, play.stage.clock)
        require(fresh.access_token != granted.tokens.access_token, "the access token is the same")
        async with play.session(Granted(granted.account, fresh)) as session:
            await play.connector.test(session)
        forged = replace(fresh, refresh_token=Secret("forged" * 8))
        try:
            await play.connector.refresh(play.stage.app, granted.account, forged, client, play.stage.clock)
        except RefreshRefused:
            return
    raise Broken("a forged refresh token was not refused")


async def an_outage_of_the_token_endpoint_is_no_refusal(play: Play) -> None:
    """While the token endpoint fails, nothing is called definitive."""
    granted = (await play.connect())[0]
    for kind in ("server_error", "html", "throttle", "reset"):
        play.stage.disturb(kind)
        try:
            async with play.plain() as client:
                await play.connector.refresh(play.stage.app, granted.account, granted.tokens, client, play.stage.clock)
        except (RefreshFailed, ClientError):
            continue
        except RefreshRefused as error:
            raise Broken(f"{kind}: a failure without verdict is called a refusal: {error}") from error
        finally:
            play.stage.calm()
        raise Broken(f"{kind}: a refresh succeeded during an outage")


async def many_callers_cost_one_refresh(play: Play) -> None:
    """An expired token under twenty callers is refreshed once, and all are served."""
    granted = (await play.connect())[0]
    expires = granted.tokens.expires_at
    require(expires is not None, "the grant says when the token ends")
    if expires is not None:
        play.stage.advance((expires - play.stage.clock.now()).total_seconds() + 1)
    before = play.stage.refreshes()
    async with play.session(granted) as session:
        await asyncio.gather(*(play.connector.test(session) for _ in range(_CALLERS)))
    require(play.stage.refreshes() - before == 1, f"{play.stage.refreshes() - before} refreshes, not one")


async def a_token_called_dead_is_replaced(play: Play) -> None:
    """The platform ends a token early: one forced refresh, and the call goes through."""
    granted = (await play.connect())[0]
    before = play.stage.refreshes()
    play.stage.disturb("expired_token", 1)
    async with play.session(granted) as session:
        await play.connector.test(session)
    require(play.stage.refreshes() - before == 1, "no refresh, or more than one")


async def a_revoked_grant_asks_for_a_new_consent(play: Play) -> None:
    """The seller takes the authorization back: the call says so, and no secret shows."""
    granted = (await play.connect())[0]
    play.stage.disturb("revoked_token", 1)
    try:
        async with play.session(granted) as session:
            await play.connector.test(session)
    except (ReauthorizationRequired, TokenRejected) as error:
        require(granted.tokens.access_token.reveal() not in f"{error!r} {error}", "the error shows the token")
        return
    raise Broken("a revoked grant still works")


async def a_wrong_app_secret_is_a_configuration_fault(play: Play) -> None:
    """Nobody is asked to connect again because an operator mistyped the app's secret."""
    callback = play.connector.read_callback(await play.callback(play.stage.account("main")), REDIRECT)
    secret = next(one.name for one in play.manifest.app_fields if one.secret)
    wrong = with_secret(play.stage.app, secret, "wrong" * 8)
    try:
        async with play.plain() as client:
            await play.connector.exchange(wrong, callback, client, play.stage.clock)
    except Misconfigured:
        return
    except ClientError as error:
        raise Broken(f"called {error.kind}: {error}") from error
    raise Broken("a wrong app secret was accepted")


async def a_wrong_clock_is_called_by_its_name(play: Play) -> None:
    """With a clock that is hours off, calls work (by the platform's clock, if need be) or end as `clock_skew`."""
    granted = (await play.connect())[0]
    clock = Skewed(play.stage.clock, -_SKEW)
    try:
        async with play.session(granted, clock) as session:
            await play.connector.test(session)
    except Misconfigured as error:
        require(error.code == "clock_skew" and "clock" in error.message, f"not named: {error}")


async def a_blocked_shop_is_refused(play: Play) -> None:
    """A shop that the platform has blocked ends as Refused, not as a dead token."""
    if play.stage.account("blocked") is None:
        return
    try:
        granted = (await play.connect("blocked"))[0]
        async with play.session(granted) as session:
            await play.connector.test(session)
    except Refused:
        return
    raise Broken("a blocked shop is served")


async def each_shop_of_an_account_lives_alone(play: Play) -> None:
    """An account with several shops grants each of them, and each refreshes without the others."""
    if play.stage.account("several") is None:
        return
    granted = await play.connect("several")
    names = {one.account.id for one in granted}
    require(len(granted) > 1 and len(names) == len(granted), f"{len(granted)} grants for {len(names)} shops")
    async with play.plain() as client:
        for one in granted:
            fresh = await play.connector.refresh(play.stage.app, one.account, one.tokens, client, play.stage.clock)
            async with play.session(Granted(one.account, fresh)) as session:
                said = await play.connector.test(session)
            require(said.id == one.account.id, f"{one.account.id} answers as {said.id}")


async def wrong_keys_are_called_wrong(play: Play) -> None:
    """Keys that a merchant mistyped end as a rejected token, and no secret shows."""
    if play.consented:
        return
    granted = (await play.connect())[0]
    right = dict(play.keys)
    for name in [one.name for one in play.manifest.credential_fields if one.secret and one.required]:
        play.keys = {**right, name: Secret("wrong" * 8)}
        try:
            async with play.session(granted) as session:
                await play.connector.test(session)
        except TokenRejected as error:
            shown = f"{error!r} {error}"
            require(not any(secret.reveal() in shown for secret in play.keys.values()), "the error shows a key")
            continue
        raise Broken(f"a wrong {name} was accepted")


#: What has no meaning where merchants enter keys.
CONSENTED = frozenset(
    {
        a_refusal_grants_nothing,
        a_code_works_once,
        a_stolen_code_is_worth_nothing,
        a_refresh_brings_tokens_that_work,
        an_outage_of_the_token_endpoint_is_no_refusal,
        many_callers_cost_one_refresh,
        a_token_called_dead_is_replaced,
        a_wrong_app_secret_is_a_configuration_fault,
        each_shop_of_an_account_lives_alone,
    }
)
PLAYS = (
    a_consent_gives_an_account_that_works,
    a_refusal_grants_nothing,
    a_code_works_once,
    a_stolen_code_is_worth_nothing,
    a_refresh_brings_tokens_that_work,
    an_outage_of_the_token_endpoint_is_no_refusal,
    many_callers_cost_one_refresh,
    a_token_called_dead_is_replaced,
    a_revoked_grant_asks_for_a_new_consent,
    a_wrong_app_secret_is_a_configuration_fault,
    a_wrong_clock_is_called_by_its_name,
    a_blocked_shop_is_refused,
    each_shop_of_an_account_lives_alone,
    wrong_keys_are_called_wrong,
)
