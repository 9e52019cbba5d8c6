"""Finds the source behind a token, and remembers it for a few seconds; what is unknown is remembered too (WH-08)."""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from isthmus.features import catalog, connections, vault
from isthmus.features.webhooks_in.errors import NotInTime
from isthmus.features.webhooks_in.model import deliveries
from isthmus.features.webhooks_in.model.deliveries import LiveSource, Purpose, Source
from isthmus.features.webhooks_in.model.verifying import LiveSecret
from isthmus.features.webhooks_in.service.expecting import Expected
from isthmus.features.webhooks_in.service.expecting import within as within
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import sources as store
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

PART = "webhooks_in"
#: Told to every process when a source was changed or removed, or what is believed there.
CHANGED = "webhooks_in.source"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}", re.ASCII)
_REMEMBERED = 10_000
#: Seconds that a look may go on after its platform was told to come again.
_PATIENCE = 25.0
#: Seconds for which what was seen is enough to refuse by.
_SURE = 0.5


@dataclass(frozen=True, slots=True)
class _Known:
    source: LiveSource | None
    seen: float
    until: float
    #: By what it is told of.
    name: str = ""


class Finder:
    """What one process knows of the sources."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system, self._settings = system, settings
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._looking: dict[bytes, asyncio.Task[_Known]] = {}
        self._words = 0
        self.expected = Expected(system, settings)
        self._base = address(system, "")

    def address(self, token: str) -> str:
        """The public address of a source with this token."""
        return self._base + token

    async def by_token(self, token: str, *, known_only: bool = False, late: bool = False) -> LiveSource | None:
        """The source behind a token that still counts. Raises NotInTime.

        known_only: without a look for what was never heard of. late: its platform was told to come again already.
        """
        if not _TOKEN.fullmatch(token):
            return None
        key = deliveries.token_hash(token)
        known = self._known.get(key)
        if known is None or known.until <= self._system.clock.monotonic():
            if known_only and known is None and self.expected.seconds(key) is None:
                return None
            known = await self._look(key, _PATIENCE if late else self._time(key, known))
        return self._counting(known)

    def expects(self, token: str) -> bool:
        """Whether somebody's deliveries come in at this address, as far as this process knows."""
        key = deliveries.token_hash(token)
        known = self._known.get(key)
        return known.source is not None if known is not None else self.expected.seconds(key) is not None

    def _time(self, key: bytes, known: _Known | None) -> float:
        """The platform's own time where it is known whose address this is, else a common one."""
        source = known.source if known is not None else None
        seconds = self.expected.seconds(key) if source is None else within(source.scheme)
        return self._settings.first_look.total_seconds() if seconds is None else seconds

    async def _look(self, key: bytes, seconds: float) -> _Known:
        """One look for all who ask; it goes on when the time of those who wait for it is over."""
        looking = self._looking.get(key)
        if looking is None:
            looking = self._looking[key] = asyncio.create_task(self._remember(key), name="webhook source")
            looking.add_done_callback(lambda _: self._looking.pop(key, None))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(looking)
        except TimeoutError:
            raise NotInTime from None

    async def _remember(self, key: bytes) -> _Known:
        begun, words = self._system.clock.monotonic(), self._words
        found = await self._load(key)
        until = self._system.clock.monotonic() + self._settings.source_cache.total_seconds()
        if words != self._words:
            # what was read may be what was just changed
            until = begun
        known = _Known(found, begun, until, named(found.tenant_id, found.id) if found is not None else "")
        self._known[key] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    def remembered(self, token: str) -> LiveSource | None:
        """The source behind a token that still counts, if nothing has to be asked for that."""
        known = self._known.get(deliveries.token_hash(token))
        if known is None or known.until <= self._system.clock.monotonic():
            return None
        return self._counting(known)

    def doubt(self, token: str) -> bool:
        """Forget what was seen of a source a while ago, since somebody is about to be refused by it; whether it was.

        So a new secret counts at once, and so does the end of a pause. A stranger makes us look twice a second (WH-08).
        """
        key, now = deliveries.token_hash(token), self._system.clock.monotonic()
        known = self._known.get(key)
        if known is None or now < known.seen + _SURE:
            return False
        self._known[key] = replace(known, until=now)
        return True

    async def follow(self, stop: asyncio.Event) -> None:
        """Hear of sources that are no longer what they were, and of new addresses, until `stop` is set."""
        with self._system.engine.bus.told(CHANGED, self._forget):
            await self.expected.follow(stop)

    def _forget(self, changed: str | None) -> None:
        """Look anew before this source is believed again; None: any."""
        self._words += 1
        now = self._system.clock.monotonic()
        for key, known in self._known.items():
            if known.source is not None and changed in (None, known.name):
                self._known[key] = replace(known, until=min(known.until, now))

    def _counting(self, known: _Known) -> LiveSource | None:
        source = known.source
        if source is None or (source.expires_at is not None and source.expires_at <= self._system.now):
            return None
        return source

    async def _load(self, key: bytes) -> LiveSource | None:
        async with self._system.tx() as tx:
            row = await store.token(tx, key)
        if row is None:
            return None
        found = await live(self._system.scope(row["tenant_id"], PART), row["source_id"])
        if found is None or row["expires_at"] is None:
            return found
        return replace(found, expires_at=row["expires_at"])


def named(tenant_id: str, source_id: str) -> str:
    """What is told of a source that is no longer what it was; every session may listen, and learns no id (TN-10)."""
    return hashlib.sha256(f"{tenant_id}/{source_id}".encode()).hexdigest()


def address(system: System, token: str) -> str:
    """The public address of a source with this token."""
    return f"{system.engine.part(connections.Settings).public_url.rstrip('/')}/hooks/{token}"


async def live(scope: Scope, source_id: str) -> LiveSource | None:
    """A source of the scope's tenant with everything that is believed at it."""
    async with scope.tx() as tx:
        found = await store.source(tx, scope.tenant_id, source_id)
        if found is None:
            return None
        rows = await store.secrets(tx, scope.tenant_id, source_id)
        sealed = [vault.Sealed(row["sealed"], source_id, secret_field(row["id"])) for row in rows]
        opened = await vault.open_many(scope, tx, sealed)
    scheme = (await catalog.found(scope, found.provider)).manifest.webhooks
    if scheme is None:
        return None
    given: dict[str, list[LiveSecret]] = {one: [] for one in Purpose}
    for secret, row in zip(opened, rows, strict=True):
        given[row["purpose"]].append(LiveSecret(secret, row["expires_at"]))
    secrets = given[Purpose.SIGNATURE]
    if scheme.connection_field and found.connection_id is not None and not secrets:
        held = await connections.credential(scope, found.connection_id, scheme.connection_field)
        secrets = [LiveSecret(held)] if held is not None else []
    app, own = await _app(scope, found, scheme.secret_field, scheme.app_fields)
    return LiveSource(
        scope.tenant_id, found.id, found.provider, scheme, [*secrets, *own], {**app, **found.app}, found.paused,
        found.first_verified_at is not None, verify_tokens=given[Purpose.VERIFY_TOKEN],
    )  # fmt: skip


async def _app(
    scope: Scope, source: Source, secret_name: str, shown: tuple[str, ...]
) -> tuple[Mapping[str, str], list[LiveSecret]]:
    """What the app registration adds: its own id, and its secret where the source uses that."""
    if not secret_name:
        return {}, []
    try:
        registration = await catalog.registration(scope, source.provider)
    except (catalog.AppMissing, catalog.ProviderNotConnectable):
        return {}, []
    held: Mapping[str, Secret] = registration.app.credentials
    app = {name: held[name].reveal() for name in shown if name in held}
    own = [LiveSecret(held[secret_name])] if source.uses_app and secret_name in held else []
    return app, own


def secret_field(secret_id: str) -> str:
    """The name that a source's secret is sealed under."""
    return f"webhook_secret.{secret_id}"
