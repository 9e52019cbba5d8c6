"""Plays about reading a shop: everything, what changed, and both on bad days."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

from isthmus.client import ClientError, InvalidRequest
from isthmus.connect.conformance.report import Broken, require
from isthmus.connect.conformance.stage import Offer, Play, Pulled
from isthmus.connect.spi import Granted, RecordPage, Session, Window

_HOUR = 3600.0
_EDITS = 6
_PAGES = 1_000


async def a_full_pull_shows_what_the_shop_sells(play: Play) -> None:
    """Every variant once, with its stock and prices; every page again under the same cursor."""
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        pulled = await play.pull(session, twice=True)
    _compare(play, pulled)
    require(pulled.pages > 1, "the shop is too small to prove anything about pages")


def _compare(play: Play, pulled: Pulled) -> None:
    wanted, found = Counter(play.stage.offers()), pulled.counted()
    missing, extra = wanted - found, found - wanted
    require(not missing, f"{missing.total()} variants are missing or differ, such as {_some(missing)}")
    require(not extra, f"{extra.total()} variants too many, such as {_some(extra)}")


def _some(offers: Counter[Offer]) -> str:
    return str(next(iter(offers), "none"))


async def a_cursor_holds_no_secret(play: Play) -> None:
    """Cursors are stored in clear and shown to support."""
    granted = (await play.connect())[0]
    secrets = [granted.tokens.access_token, *([granted.tokens.refresh_token] if granted.tokens.refresh_token else [])]
    known = play.stage.app.credentials
    secrets += [known[one.name] for one in play.manifest.app_fields if one.secret and one.name in known]
    secrets += [play.keys[one.name] for one in play.manifest.credential_fields if one.secret and one.name in play.keys]
    async with play.session(granted) as session:
        page = await _first(play, session)
    require(page.cursor is not None, "the shop is too small to prove anything about pages")
    require(not any(secret.reveal() in str(page.cursor) for secret in secrets), "a cursor holds a secret")


def _first(play: Play, session: Session) -> Awaitable[RecordPage]:
    return play.connector.pull_listings(session, Window(None, play.stage.clock.now()), None)


async def a_foreign_cursor_is_refused(play: Play) -> None:
    """A text that is no cursor of this connector ends in ValueError, before any call."""
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        before = play.stage.calls()
        try:
            await play.connector.pull_listings(session, Window(None, play.stage.clock.now()), "no cursor")
        except ValueError:
            require(play.stage.calls() == before, "the platform was called")
            return
    raise Broken("any text is taken for a cursor")


async def an_incremental_pull_brings_the_changes_alone(play: Play) -> None:
    """After edits a pull of the last minutes holds them and little else, and with the rest makes the shop whole."""
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        pulled = await play.pull(session)
        play.stage.advance(_HOUR)
        since = play.stage.clock.now()
        play.stage.advance(60)
        for number in (1, 17, 40):
            play.stage.edit(number, 7_000 + number)
        play.stage.add()
        play.stage.advance(60)
        changed = await play.pull(session, since)
    require(changed.offers and changed.records <= 40, f"{changed.records} records for four changes")
    pulled.offers.update(changed.offers)
    _compare(play, pulled)


async def nothing_changed_means_nothing_read(play: Play) -> None:
    """A pull of a quiet window ends after a call or two, without records."""
    granted = (await play.connect())[0]
    play.stage.advance(_HOUR)
    since = play.stage.clock.now()
    play.stage.advance(_HOUR)
    async with play.session(granted) as session:
        before = play.stage.calls()
        pulled = await play.pull(session, since)
    require(not pulled.records, f"{pulled.records} records of a quiet hour")
    require(play.stage.calls() - before <= 3, f"{play.stage.calls() - before} calls for a quiet hour")


async def rows_that_move_are_not_lost(play: Play) -> None:
    """While pages are read, rows are edited and added: what nobody touched is all there, the rest comes next time."""
    granted = (await play.connect())[0]
    since = play.stage.clock.now() - timedelta(minutes=1)

    def meanwhile(page: int) -> None:
        play.stage.advance(2)
        if page < _EDITS:
            play.stage.edit(page * 3, 8_000 + page)
            play.stage.add()

    async with play.session(granted) as session:
        pulled = await _watched(play, session, meanwhile)
        play.stage.advance(60)
        later = await play.pull(session, since)
    pulled.offers.update(later.offers)
    _compare(play, pulled)


async def turned_pages_are_not_lost(play: Play) -> None:
    """The platform lists every second page in another order: still every variant arrives."""
    granted = (await play.connect())[0]

    def meanwhile(page: int) -> None:
        play.stage.calm()
        if page % 2 == 0:
            play.stage.disturb("reorder")

    async with play.session(granted) as session:
        pulled = await _watched(play, session, meanwhile)
    _compare(play, pulled)


async def _watched(play: Play, session: Session, meanwhile: Callable[[int], None]) -> Pulled:
    """A whole pull with something going on behind each page."""
    window, cursor, pulled = Window(None, play.stage.clock.now()), None, Pulled()
    while True:
        page = await play.connector.pull_listings(session, window, cursor)
        meanwhile(pulled.pages)
        pulled.pages += 1
        play.gather(pulled, page, session)
        cursor = page.cursor
        if cursor is None:
            return pulled
        require(pulled.pages < _PAGES, "the pull does not end")


async def a_throttled_pull_waits_and_goes_on(play: Play) -> None:
    """The platform's throttle answers cost time, not rows."""
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        play.stage.disturb("throttle", 2, after=2)
        began = play.stage.clock.monotonic()
        pulled = await play.pull(session)
    require(play.stage.clock.monotonic() > began, "nobody waited")
    _compare(play, pulled)


async def bad_days_cost_no_rows(play: Play) -> None:
    """One fault of each kind on the way: the pull ends whole."""
    granted = (await play.connect())[0]
    for kind in ("server_error", "html", "reset", "truncate", "cut", "latency", *play.ends):
        async with play.session(granted) as session:
            play.stage.disturb(kind, 1, after=1)
            try:
                pulled = await play.pull(session)
            except ClientError as error:
                raise Broken(f"{kind}: ends in {type(error).__name__}: {error}") from error
            finally:
                play.stage.calm()
        _compare(play, pulled)
        granted = (await play.connect())[0]


async def an_outage_ends_in_an_error(play: Play) -> None:
    """A platform that only fails is not called empty, and the error shows no secret."""
    granted = (await play.connect())[0]
    for kind in ("server_error", "html", "throttle"):
        async with play.session(granted) as session:
            play.stage.disturb(kind)
            try:
                await _first(play, session)
            except ClientError as error:
                shown = f"{error!r} {error} {error.message}"
                require(granted.tokens.access_token.reveal() not in shown, "the error shows the token")
                continue
            finally:
                play.stage.calm()
        raise Broken(f"{kind}: an outage looks like an empty page")


async def other_hosts_are_out_of_reach(play: Play) -> None:
    """The bound client calls the registration's hosts and no others (PL-03)."""
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        for url in ("https://evil.test/", "http://127.0.0.1:1/", "https://api.evil.test/rest"):
            try:
                await session.client.get(url)
            except InvalidRequest:
                continue
            raise Broken(f"{url} was called")


async def an_empty_shop_is_read_at_once(play: Play) -> None:
    """No listings: an empty pull, no error."""
    if play.stage.account("empty") is None:
        return
    granted: Granted = (await play.connect("empty"))[0]
    async with play.session(granted) as session:
        pulled = await play.pull(session)
    require(not pulled.records, f"{pulled.records} records of an empty shop")


PLAYS = (
    a_full_pull_shows_what_the_shop_sells,
    a_cursor_holds_no_secret,
    a_foreign_cursor_is_refused,
    an_incremental_pull_brings_the_changes_alone,
    nothing_changed_means_nothing_read,
    rows_that_move_are_not_lost,
    turned_pages_are_not_lost,
    a_throttled_pull_waits_and_goes_on,
    bad_days_cost_no_rows,
    an_outage_ends_in_an_error,
    other_hosts_are_out_of_reach,
    an_empty_shop_is_read_at_once,
)
