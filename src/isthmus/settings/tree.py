"""The tree: which parts have settings, and how the sources are merged over their defaults."""

import difflib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_data_path

from isthmus.connect import apart
from isthmus.http import HttpSettings
from isthmus.http import logging as edge_logging
from isthmus.kit.secret import Secret
from isthmus.settings.reading import Knob, WrongSetting, end_of, knobs, parse, read_end, read_toml

T = TypeVar("T")
PREFIX = "ISTHMUS_"
#: Read by others: the test data folder, credentials of app registrations (`ISTHMUS_PROVIDERS__<ID>__<FIELD>`), and the
#: issuers that people sign in at (`ISTHMUS_LOGINS__<NAME>__<FIELD>`).
NOT_KNOBS = ("ISTHMUS_SHARED", "ISTHMUS_PROVIDERS__", "ISTHMUS_LOGINS__", "ISTHMUS_LIVE_", "ISTHMUS_BENCH_")


def _home() -> Path:
    return Path("/var/lib/isthmus") if os.name == "posix" and os.geteuid() == 0 else user_data_path("isthmus")


#: From where to where a number without a part of its own goes.
_BOUNDS = (
    ("database_connections", 2, 10_000),
    ("database_statement_cache", 0, 100_000),
    ("port", 0, 65_535),
    ("bulk_nice", 0, 19),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What belongs to no part: the places, the database and the address."""

    home: Path = field(
        default_factory=_home, metadata={"description": "Folder of the embedded database, blobs and keys."}
    )
    config: Path | None = field(
        default=None, metadata={"description": "Settings file in TOML; isthmus.toml in the home folder when present."}
    )
    database_url: Secret | None = field(
        default=None, metadata={"description": "PostgreSQL 15 or later; without it the embedded server is started."}
    )
    database_connections: int = field(default=10, metadata={"description": "Connections per process, at most."})
    database_direct_url: Secret | None = field(
        default=None, metadata={"description": "The same database past any pooler: LISTEN and migrations go there."}
    )
    database_statement_cache: int = field(
        default=400,
        metadata={"description": "Prepared statements kept per connection; 0 behind a pooler that knows none."},
    )
    postgres_binaries: Path | None = field(
        default=None,
        metadata={"description": "Folder with the embedded server's programs, when not the packaged ones."},
    )
    host: str = field(default="127.0.0.1", metadata={"description": "Address the API listens on."})
    port: int = field(default=8080, metadata={"description": "Port the API listens on; 0 picks a free one."})
    master_key: Secret | None = field(
        default=None, metadata={"description": "Master keys of the vault, base64 or hex, the current one first."}
    )
    master_key_file: Path | None = field(
        default=None, metadata={"description": "File with master keys; master.key in the home folder when embedded."}
    )
    master_key_command: str | None = field(
        default=None, metadata={"description": "Command that prints master keys, such as a key service's client."}
    )
    allowed_connectors: tuple[str, ...] = field(
        default=(),
        metadata={
            "description": "Third-party connectors that may be imported, as name==version, or with the digest of "
            "their files as name==version@sha256:..., which `isthmus check` shows."
        },
    )
    keep_events: timedelta = field(
        default=timedelta(days=100),
        metadata={
            "description": "How long events are kept that the audit log does not need, in whole days; 0 keeps all. "
            "Longer than the longest time that deliveries are kept. A tenant may choose fewer days for its own."
        },
    )
    keep_listeners: timedelta = field(
        default=timedelta(days=7),
        metadata={
            "description": "How long the place of a listener is kept that no process has any more. Until then no event "
            "goes that it has not heard."
        },
    )
    keep_queue_log: timedelta = field(
        default=timedelta(hours=6), metadata={"description": "How long the queue's own log of what it did is kept."}
    )
    bulk_apart: bool = field(
        default=True,
        metadata={
            "description": "Whether `isthmus up` has bulk work, such as a shop's import, done by a process of its own, "
            "started with the first of it."
        },
    )
    bulk_nice: int = field(
        default=15,
        metadata={
            "description": "By how much a process that does nothing but bulk work, its sessions in the embedded "
            "database, and those of heavy requests step back for others where the processors are busy; 0 to 19."
        },
    )
    log: str = field(
        default="auto",
        metadata={"description": "Log form: json, text, quiet (warnings only), or auto (text on a terminal)."},
    )

    def __post_init__(self) -> None:
        for name, lowest, highest in _BOUNDS:
            if not lowest <= (value := getattr(self, name)) <= highest:
                raise ValueError(f"{PREFIX}{name.upper()} is from {lowest} to {highest}, not {value}")
        if self.log not in edge_logging.FORMS:
            raise ValueError(f"{PREFIX}LOG is one of {', '.join(edge_logging.FORMS)}, not {self.log!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """Who may sign tokens for this deployment."""

    hs256: Secret | None = field(
        default=None, metadata={"description": "Key of 32 bytes or more that signs bearer tokens (HS256)."}
    )
    issuer: str = field(default="isthmus", metadata={"description": "Issuer of our own tokens."})
    audience: str = field(default="isthmus", metadata={"description": "Value that `aud` must hold."})
    jwks_url: str = field(default="", metadata={"description": "JWKS address of a foreign issuer."})
    jwks_issuer: str = field(default="", metadata={"description": "Exact `iss` of the foreign issuer."})
    jwks_tenants: tuple[str, ...] = field(
        default=(), metadata={"description": "Tenants the foreign issuer may speak for; * for all."}
    )
    jwks_algorithms: tuple[str, ...] = field(
        default=("RS256",), metadata={"description": "Signature algorithms of the foreign issuer, of one family."}
    )


#: Section name -> its dataclass. The composition root adds the rooms' sections through `load`.
SECTIONS: Mapping[str, type] = {"": Core, "auth": KeySettings, "http": HttpSettings, "apart": apart.Settings}


@dataclass(frozen=True, slots=True)
class Weakened:
    """A setting whose value weakens security; `until` is the end that was set for it."""

    variable: str
    value: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Settings:
    """All parts, each by its type, and the origin of every value that is not a default."""

    parts: Mapping[type, object]
    sections: Mapping[str, type]
    origins: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False, default_factory=dict)
    #: Until when values that weaken hold, by the name of their setting.
    ends: Mapping[str, datetime] = field(default_factory=dict)

    def part(self, kind: type[T]) -> T:
        """The settings of one part. Raises KeyError for a type that is no part."""
        found = self.parts[kind]
        if not isinstance(found, kind):
            raise KeyError(kind)
        return found

    @property
    def core(self) -> Core:
        """The settings that belong to no part."""
        return self.part(Core)

    def weakened(self) -> list[Weakened]:
        """Every setting whose value weakens security (SA-04)."""
        return [
            Weakened(knob.variable, str(value), found.reason, self.ends.get(knob.variable))
            for knob, value, _ in self.rows()
            if knob.weak is not None and (found := knob.weak(value)) is not None
        ]

    def tightened(self, variables: Collection[str]) -> "Settings":
        """The same with the safe values in place of these settings'."""
        parts = dict(self.parts)
        for section, kind in self.sections.items():
            safe = {
                knob.name: found.safe
                for knob in knobs(section, kind)
                if knob.variable in variables
                and knob.weak is not None
                and (found := knob.weak(getattr(parts[kind], knob.name))) is not None
            }
            if safe:
                parts[kind] = _part_with(parts[kind], safe)
        return replace(self, parts=parts)

    def rows(self) -> Iterator[tuple[Knob, object, str]]:
        """Every knob with its value and where the value comes from, for `isthmus check`."""
        for section, kind in self.sections.items():
            for knob in knobs(section, kind):
                value = getattr(self.parts[kind], knob.name)
                yield knob, value, self.origins.get(knob.variable, "default")


def _part_with(part: object, values: Mapping[str, object]) -> object:
    held = {each.name: getattr(part, each.name) for each in fields(part)}  # type: ignore[arg-type] # a part is a dataclass
    return type(part)(**{**held, **values})


def load(
    sections: Mapping[str, type], environment: Mapping[str, str], overrides: Mapping[str, object] | None = None
) -> Settings:
    """Merge defaults, file, environment and `overrides` (by variable name). Raises WrongSetting."""
    every = {**SECTIONS, **sections}
    table = {knob.variable: knob for section, kind in every.items() for knob in knobs(section, kind)}
    ends = {end_of(knob).variable: knob for knob in table.values() if knob.weak is not None}
    table |= {name: end_of(knob) for name, knob in ends.items()}
    given, origins = _environment(environment, table), dict[str, str]()
    origins.update(dict.fromkeys(given, "environment"))
    for name, (value, place) in _file(given, table).items():
        if name not in given:
            given[name], origins[name] = value, place
    for name, value in (overrides or {}).items():
        given[name], origins[name] = value, "command line"
    values = {name: _value(table[name], raw, origins[name]) for name, raw in given.items()}
    parts = {kind: _part(section, kind, values) for section, kind in every.items()}
    until = {knob.variable: end for name, knob in ends.items() if (end := read_end(values.get(name))) is not None}
    return Settings(parts, every, origins, dict(environment), until)


def _value(knob: Knob, raw: object, origin: str) -> object:
    return parse(knob, raw, origin) if origin != "command line" else raw


def _part(section: str, kind: type, values: Mapping[str, object]) -> object:
    mine = {knob.name: values[knob.variable] for knob in knobs(section, kind) if knob.variable in values}
    try:
        made: object = kind(**mine)
    except ValueError as error:
        raise WrongSetting(f"the settings of {section or 'isthmus'}: {error}") from error
    return made


def _environment(environment: Mapping[str, str], table: Mapping[str, Knob]) -> dict[str, object]:
    given: dict[str, object] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name.startswith(NOT_KNOBS):
            continue
        if name not in table:
            raise _unknown(name, "the environment", table)
        given[name] = value
    return given


def _file(given: Mapping[str, object], table: Mapping[str, Knob]) -> dict[str, tuple[object, str]]:
    path = _config_path(given)
    if path is None:
        return {}
    found: dict[str, tuple[object, str]] = {}
    for key, value in read_toml(path).items():
        inner: Mapping[str, Any] = value if isinstance(value, dict) else {}
        names = {f"{PREFIX}{key.upper()}__{name.upper()}": item for name, item in inner.items()}
        for name, item in names.items() if inner else [(f"{PREFIX}{key.upper()}", value)]:
            if name not in table:
                raise _unknown(name, str(path), table)
            found[name] = (item, path.name)
    return found


def _config_path(given: Mapping[str, object]) -> Path | None:
    if "ISTHMUS_CONFIG" in given:
        return Path(str(given["ISTHMUS_CONFIG"]))
    home = Path(str(given["ISTHMUS_HOME"])) if "ISTHMUS_HOME" in given else _home()
    path = home / "isthmus.toml"
    return path if path.is_file() else None


def _unknown(name: str, place: str, table: Mapping[str, Knob]) -> WrongSetting:
    near = difflib.get_close_matches(name, table, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return WrongSetting(f"{name} (from {place}) is not a setting.{hint} `isthmus check` lists all of them.")
