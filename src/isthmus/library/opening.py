"""Opens a deployment inside a Python service: the same parts as `isthmus up`, without the HTTP server."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from isthmus.app import SECTIONS, Platform, Share, open_platform, work_queue
from isthmus.features import access, webhooks_in
from isthmus.kit import ids
from isthmus.kit.permissions import PLATFORM_TENANT, system
from isthmus.kit.secret import Secret
from isthmus.kit.waiting import first_of
from isthmus.scope import Scope
from isthmus.settings import load

_PART = "library"
_KEY_BITS = 256
_SIGNING = ("ISTHMUS_AUTH__HS256", "ISTHMUS_AUTH__JWKS_URL")


@dataclass(frozen=True, slots=True)
class House:
    """An open deployment and the tenant in whose name this service works."""

    platform: Platform = field(repr=False)
    tenant_id: str
    #: Set when it was closed.
    closed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def scope(self) -> Scope:
        """Work of this service, for its tenant. Raises RuntimeError once the house is closed."""
        if self.closed.is_set():
            raise RuntimeError("This house is closed: use it inside the `async with` that opened it.")
        return self.platform.scope(self.tenant_id, system(self.tenant_id, _PART))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What `open_house` is told; `None` leaves it to the settings of the environment.

    database_url: a PostgreSQL of your own; without one a server is started and kept in `home`, for this one process
    and as long as it is open. tenant: the slug of the tenant to work for, made when there is none. master_key: 64
    hexadecimal digits that seal all credentials; with a database of your own it is needed, here or as
    `ISTHMUS_MASTER_KEY`. work: also do what is due in the background, such as scheduled tests; one of several
    processes is enough, and functions for webhooks are called either way. settings: further settings by variable name.
    """

    database_url: str | None = field(default=None, repr=False)
    home: Path | str | None = None
    tenant: str = "own"
    master_key: str | None = field(default=None, repr=False)
    work: bool = True
    settings: Mapping[str, str] | None = field(default=None, repr=False)


_NOTHING = Given()


@asynccontextmanager
async def open_house(given: Given = _NOTHING) -> AsyncIterator[House]:
    """Open the deployment, bring its schema up to date, and close it at the end.

    Raises Problems that name what is missing: WrongSetting, MasterKeyUnusable, WrongMasterKey, DatabaseUnavailable,
    Invalid for the tenant's slug, and DataDirectoryTaken where another process runs the server in `home`.
    """
    environment = {**os.environ, **(given.settings or {})}
    async with open_platform(load(SECTIONS, environment, _overrides(given, environment)), upgrade=True) as platform:
        house = House(platform, await own_tenant(platform, given.tenant))
        try:
            async with _working(platform, wanted=given.work):
                yield house
        finally:
            house.closed.set()


@asynccontextmanager
async def _working(platform: Platform, *, wanted: bool) -> AsyncIterator[None]:
    """Do what is due beside the service; what is in flight at the end finishes or is handed back.

    Functions that the service registers are called here in any case.
    """
    stop = asyncio.Event()
    work = work_queue(platform, stop) if wanted else _calling(platform, stop)
    worker = asyncio.create_task(work, name="isthmus library")
    try:
        yield
    finally:
        stop.set()
        await worker


async def _calling(platform: Platform, stop: asyncio.Event) -> None:
    """Call functions, from the first one on that is registered."""
    await first_of(stop, platform.engine.part(webhooks_in.Handlers).any)
    if not stop.is_set():
        await work_queue(platform, stop, Share.CALLS)


def _overrides(given: Given, environment: Mapping[str, str]) -> dict[str, object]:
    made: dict[str, object] = {}
    if given.database_url is not None:
        made["ISTHMUS_DATABASE_URL"] = Secret(given.database_url)
    if given.home is not None:
        made["ISTHMUS_HOME"] = Path(given.home)
    if given.master_key is not None:
        made["ISTHMUS_MASTER_KEY"] = Secret(given.master_key)
    if not any(environment.get(name) for name in _SIGNING):
        # Nobody signs in where nothing is served; a key that nobody knows keeps it so.
        made["ISTHMUS_AUTH__HS256"] = Secret(ids.token(_KEY_BITS))
    return made


async def own_tenant(platform: Platform, slug: str) -> str:
    """The id of the tenant with this slug, made when there is none. Raises Invalid for what is no slug."""
    try:
        found = await access.find_tenant(platform.system, slug)
    except access.TenantNotFound:
        operator = platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, _PART))
        try:
            found = await access.create_tenant(operator, slug, slug)
        except access.SlugTaken:
            # another process of the same service has made it meanwhile
            found = await access.find_tenant(platform.system, slug)
    return found.id
