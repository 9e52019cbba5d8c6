"""Tiki's particulars: Basic client authentication, scopes, local times in queries, short pages."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.given.connectors import found, paths, played, session

from isthmus.client import RefreshRefused, Tokens
from isthmus.connect.conformance.stage import REDIRECT
from isthmus.connect.spi import Account, App, Consent, Window
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret

NOW = datetime(2026, 11, 5, tzinfo=UTC)


def test_the_consent_link_asks_for_offline_access() -> None:
    one = found("tiki")
    assert one.connector is not None
    app = App({"client_id": Secret("1"), "client_secret": Secret("s")}, one.manifest.hosts)
    link = one.connector.consent_url(app, Consent(REDIRECT, "state-12345", "c"), NOW)
    query = parse_qs(urlsplit(link).query)
    assert "offline" in query["scope"][0].split(" ")
    assert query["code_challenge_method"] == ["S256"]


async def test_the_app_signs_in_with_basic_and_never_in_the_body() -> None:
    async with played("tiki") as (play, shop):
        await play.connect()
        asked = [record for record in shop.recording.requests if record.path == "/sc/oauth2/token"]
        assert [record.status for record in asked] == [200]
        assert not any(name == "client_secret" for record in asked for name, _ in record.query)


async def test_a_window_is_asked_for_in_local_time() -> None:
    async with played("tiki") as (play, shop), session(play) as (opened, _):
        since = datetime(2025, 12, 31, 17, 30, tzinfo=UTC)
        await play.connector.pull_listings(opened, Window(since, since + timedelta(hours=1)), None)
        query = dict(shop.recording.requests[-1].query)
        assert (query["updated_from_date"], query["updated_to_date"]) == ("2026-01-01 00:30:00", "2026-01-01 01:30:00")


async def test_a_full_pull_names_no_lower_bound() -> None:
    async with played("tiki") as (play, shop), session(play) as (opened, _):
        page = await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)
        assert "updated_from_date" not in dict(shop.recording.requests[-1].query)
        assert page.total == len(play.stage.offers())


async def test_rows_of_siblings_keep_their_own_ids() -> None:
    async with played("tiki") as (play, _), session(play) as (opened, granted):
        page = await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)
        assert len({record.external_id for record in page.records}) == len(page.records)
        listings = [play.connector.map_listing(record, granted.account) for record in page.records]
        assert len({listing.external_id for listing in listings}) < len(listings)


async def test_a_grant_without_offline_cannot_refresh() -> None:
    one = found("tiki")
    assert one.connector is not None
    async with played("tiki") as (play, shop):
        async with play.plain() as client:
            with pytest.raises(RefreshRefused, match="offline"):
                await one.connector.refresh(play.stage.app, Account("1"), Tokens(Secret("a")), client, ManualClock())
        assert not paths(shop)
