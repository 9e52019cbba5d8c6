"""Opens a deployment's parts in their order and closes them in reverse; everything else is given what it needs."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from isthmus.app import weakening
from isthmus.app.keys import MasterKeys, Signing, cursor_secret, master_keys, read_ring, signing
from isthmus.app.parts import parts
from isthmus.connect import apart, registry
from isthmus.engine.budget import PostgresBudget
from isthmus.engine.bus import Bus
from isthmus.engine.db import Database, DataDirectoryTaken, EmbeddedPostgres, OnOpen, migrate, require
from isthmus.engine.presence import Presence
from isthmus.engine.queue import Pace, PgQueue
from isthmus.features import access, audit, catalog, connections, proxy, vault, webhooks_out
from isthmus.http import Authenticator, Check, HttpSettings
from isthmus.http.metrics import Traffic
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.errors import Problem
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Engine, Scope, System
from isthmus.settings import Core, KeySettings, Settings

_LOG = logging.getLogger("isthmus.app")
#: From so many connections on, half of them is the most that one tenant has at a time (RL-12).
_SHARED_FROM = 6
_HEED = timedelta(milliseconds=250)


class HomeUnusable(Problem):
    """The home folder cannot be used.

    Make the folder writable for this user, or name another with `--home` or `ISTHMUS_HOME`.
    """

    code = "HOME_UNUSABLE"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the database answers: to the pool, to the owner who migrates, and past any pooler."""

    service: str
    owner: str
    direct: str
    embedded: bool


@dataclass(frozen=True, slots=True)
class Platform:
    """An open deployment: engines, parts, and who may sign in."""

    settings: Settings
    engine: Engine
    clock: Clock
    http_settings: HttpSettings
    signing: Signing
    cursor_secret: Secret
    #: Notes when API keys are used; whoever serves the API writes it down.
    used: access.LastUsed
    #: Notes what is refused; whoever serves the API writes it down.
    refusals: audit.Refusals
    notes: Sequence[str] = field(default=())
    #: Settings that weaken security, over or not (SA-04).
    weaknesses: Sequence[audit.Standing] = field(default=())
    #: The engine's parts, which change only where a setting runs out.
    parts: dict[type, object] = field(default_factory=dict, repr=False)
    #: The walls that stand around connectors in processes of their own, by provider.
    walls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: What is asked of this process's API, counted for `/metrics`.
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def system(self) -> System:
        """The platform's own hand."""
        return System(self.engine, self.clock)

    @property
    def authenticators(self) -> Sequence[Authenticator]:
        """Whose credentials are believed."""
        settings = self.settings.part(access.Settings)
        own = (
            access.KeyAuthenticator(self.system, self.used),
            access.SessionAuthenticator(self.system, settings),
            access.GlassAuthenticator(self.system),
        )
        return (*own, *self.signing.authenticators)

    @property
    def checks(self) -> Mapping[str, Check]:
        """The parts that `/health/ready` asks."""
        return {"database": self.engine.database.ping, "vault": self._vault_opens}

    async def _vault_opens(self) -> None:
        await vault.check_canary(self.system)

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        """A scope for a command or a test."""
        return Scope(tenant_id, principal, self.engine, self.clock)

    def development_token(self, tenant_id: str, *, subject: str, roles: Sequence[str], hours: float) -> Secret:
        """A bearer token for a tenant. Raises NoDevelopmentKey."""
        return self.signing.mint(tenant_id, subject, roles, hours, self.clock)


@asynccontextmanager
async def open_platform(
    settings: Settings,
    *,
    upgrade: bool,
    public_url: str | None = None,
    on_open: OnOpen | None = None,
    clock: Clock = SYSTEM,
    prove: bool = True,
    bulk: bool = False,
) -> AsyncIterator[Platform]:
    """Start or reach the database, prove the keys, and put the parts together.

    upgrade: run the migrations first. public_url: where browsers reach this process, once its socket is bound. on_open:
    entered with every transaction; tests forbid outbound calls there. prove: refuse a wrong master key. bulk: this
    process does nothing but bulk work, and steps back for others wherever it can.
    Raises Problems that name what is missing; nothing stays behind then.
    """
    async with AsyncExitStack() as stack:
        # the folders of the providers are read while the database starts
        cells = stack.enter_context(apart.Cells(settings.part(apart.Settings)))
        looking = asyncio.create_task(asyncio.to_thread(registry.discover, settings.core.allowed_connectors, cells))
        stack.push_async_callback(_ended, looking)
        places = await _database(settings.core, stack, attach=not upgrade)
        await (migrate(places.owner) if upgrade else require(places.service))
        database = await _pool(settings.core, places, on_open)
        if places.embedded:
            _have_some_step_back(database, settings.core, bulk=bulk)
        stack.push_async_callback(database.close)
        weak = weakening.weaknesses(settings)
        settings, known = await weakening.held(settings, weak, database, clock)
        held = master_keys(settings.core, embedded=places.embedded)
        reload = partial(read_ring, settings.core, embedded=places.embedded)
        providers = catalog.Providers(await looking)
        cells.check()
        budget, presence = PostgresBudget(database, clock=clock), Presence(database, clock=clock)
        made = parts(settings, reload, providers, budget, presence, public_url, weak)
        bus = Bus(database, direct_url=places.direct, clock=clock, kept=settings.core.keep_events)
        engine = Engine(
            database,
            bus,
            PgQueue(database, direct_url=places.direct, pace=_pace(settings.core, bulk=bulk)),
            made,
        )
        stack.push_async_callback(engine.part(connections.Clients).aclose)
        stack.push_async_callback(engine.part(proxy.Lines).aclose)
        stack.callback(engine.part(access.Hasher).close)
        stack.push_async_callback(engine.part(webhooks_out.Sender).aclose)
        if prove:
            await _prove(System(engine, clock), held)
        opened = _platform(settings, engine, held, clock, embedded=places.embedded)
        yield replace(opened, weaknesses=known, parts=made, walls=cells.walls)


async def _ended(looking: asyncio.Task[Mapping[str, registry.Found]]) -> None:
    await asyncio.gather(looking, return_exceptions=True)


async def _pool(core: Core, places: Addresses, on_open: OnOpen | None) -> Database:
    return await Database.connect(
        places.service,
        size=core.database_connections,
        statement_cache_size=core.database_statement_cache,
        on_open=on_open,
        direct=places.embedded,
        tenant_share=core.database_connections // 2 if core.database_connections >= _SHARED_FROM else None,
    )


def _have_some_step_back(database: Database, core: Core, *, bulk: bool) -> None:
    """In a process for bulk work all sessions; in others those of heavy requests, by as much."""
    if bulk:
        database.step_back(core.bulk_nice)
    elif core.bulk_nice:
        database.have_lower(max(1, core.database_connections // 2), core.bulk_nice)


def _pace(core: Core, *, bulk: bool) -> Pace:
    """What is short is told of many times a second; bulk work need not look for its own each time."""
    return Pace(log_kept=core.keep_queue_log, heed=_HEED if bulk else timedelta(0))


def _platform(settings: Settings, engine: Engine, held: MasterKeys, clock: Clock, *, embedded: bool) -> Platform:
    system, guarded = System(engine, clock), settings.part(access.Settings)
    signers = signing(settings.part(KeySettings), settings.core.home, system, guarded, embedded=embedded)
    http = replace(settings.part(HttpSettings), development_key=signers.development is not None)
    notes = [f"A master key was made: {held.made}. Keep a copy elsewhere."] if held.made else []
    used = access.LastUsed(system, guarded)
    refusals = audit.Refusals(system, settings.part(audit.Settings))
    return Platform(settings, engine, clock, http, signers, cursor_secret(held.ring), used, refusals, notes)


async def _prove(system: System, held: MasterKeys) -> None:
    """Refuse to work with a wrong master key, and take back a file that was made where the true one is missing."""
    try:
        await vault.check_canary(system)
    except vault.WrongMasterKey:
        if held.made is not None:
            held.made.unlink()
        raise


async def _database(core: Core, stack: AsyncExitStack, *, attach: bool) -> Addresses:
    """attach: join the embedded server of a process that already runs it."""
    if core.database_url is not None:
        url = core.database_url.reveal()
        direct = core.database_direct_url.reveal() if core.database_direct_url else url
        return Addresses(url, direct, direct, embedded=False)
    try:
        core.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable(f"{core.home} cannot be used as the home folder: {_reason(error)}") from error
    server = EmbeddedPostgres(core.home / "postgres", programs=core.postgres_binaries)
    try:
        await stack.enter_async_context(server)
    except DataDirectoryTaken:
        if not attach:
            raise
        await server.attach()
    return Addresses(server.url, server.owner_url, server.url, embedded=True)


def _reason(error: OSError) -> str:
    return error.strerror or errno.errorcode.get(error.errno or 0, "unknown reason")


async def upgrade_database(settings: Settings) -> None:
    """Bring the schema up to date; starts the embedded server for it when there is no other."""
    async with AsyncExitStack() as stack:
        await migrate((await _database(settings.core, stack, attach=True)).owner)


def offered_connectors(settings: Settings) -> Iterator[tuple[str, bool]]:
    """Third-party connectors that are installed, and whether the operator allowed each (security.md PL-01)."""
    for point in registry.offered():
        yield registry.full_label(point), registry.allows(settings.core.allowed_connectors, point)
