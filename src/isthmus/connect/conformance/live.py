"""The part of the suite that runs against a real account: read-only, and never in an automatic build.

What it cannot do without spending something (a refresh token that works once, a consent that a person gives) stays
with the emulator and is marked so in the report.
"""

from dataclasses import dataclass

from isthmus.client import ClientError, Tokens
from isthmus.connect.conformance.binding import bound
from isthmus.connect.conformance.report import Finding
from isthmus.connect.registry import Found
from isthmus.connect.spi import Account, App, Connector, Granted, RecordPage, Session, Unmappable, Window
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.secret import Secret

_PAGES = 3


@dataclass(frozen=True, slots=True)
class Real:
    """A real account: the app's credentials, the shop and an access token that works now."""

    app: App
    account: Account
    access: Secret


async def check_live(found: Found, real: Real, clock: Clock = SYSTEM) -> list[Finding]:
    """Who we are, and the first pages of the shop, mapped. Nothing is written, and no token is refreshed."""
    if found.connector is None:
        return [Finding("the_folder_has_behaviour", "live", False, "it holds facts only")]
    try:
        async with bound(found, real.app, Granted(real.account, Tokens(real.access)), clock) as session:
            said = await found.connector.test(session)
            known = Finding("the_account_is_known", "live", said.id == real.account.id, f"{said.id} {said.name}")
            return [known, *await _pages(found.connector, session)]
    except ClientError as error:
        return [Finding("the_platform_answers", "live", False, f"{type(error).__name__}: {error}")]


async def _pages(connector: Connector, session: Session) -> list[Finding]:
    window, cursor, read, refused = Window(None, session.clock.now()), None, 0, []
    for _ in range(_PAGES):
        page: RecordPage = await connector.pull_listings(session, window, cursor)
        for record in page.records:
            read += 1
            try:
                connector.map_listing(record, session.account)
            except Unmappable as error:
                refused.append(f"{record.external_id}: {error.reason}")
        cursor = page.cursor
        if cursor is None:
            break
    pulled = Finding("listings_can_be_read", "live", True, f"{read} records")
    return [pulled, Finding("listings_can_be_mapped", "live", not refused, "; ".join(refused[:3]))]
