"""The reference pages: settings, events, failures of the platform and of the client, permissions."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args, get_origin

from tools.reference import code
from tools.reference.markdown import code as name
from tools.reference.markdown import page, sentence, table

from isthmus.app import FEATURES, SECTIONS
from isthmus.client.errors import ClientError
from isthmus.http import Declaration
from isthmus.http.routes import Public
from isthmus.http.settings import BY_ADDRESS, LIMITS
from isthmus.kit.permissions import ROLES, TENANT_ADMIN
from isthmus.settings import SECTIONS as OWN
from isthmus.settings import Knob, knobs

#: Defaults that depend on the machine, in words.
_SAID = {"ISTHMUS_HOME": "the user's data folder; as root `/var/lib/isthmus`"}
_KINDS = {
    "Secret": "secret",
    "Path": "path",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "yes or no",
}
_UNITS = ((86_400, "days"), (3_600, "h"), (60, "min"), (1, "s"))


def settings() -> str:
    """Every knob by its name in the environment."""
    sections: Mapping[str, type] = {**OWN, **SECTIONS}
    parts = [_section(section, kind) for section, kind in sections.items()]
    return page(
        "Settings",
        "Each setting has a default. The settings file stands over the default, the environment over the file, and an "
        "option of the command line over both. The file is the one that `ISTHMUS_CONFIG` names, else `isthmus.toml` "
        "in the home folder when it is there.",
        "In the environment a setting has the name below. In the file `ISTHMUS_PORT` is the key `port`, and "
        "`ISTHMUS_SYNC__LEASE` is the key `lease` in the table `[sync]`. Lists are written `a,b` in the environment, "
        "tables `a=1,b=2`; TOML has its own forms. A duration is a number of seconds, or ISO 8601 such as `PT10M`.",
        "A setting that is unknown or has a wrong value stops the start with its name and the reason. "
        "`isthmus check` prints every setting with its value and where the value comes from; secrets are not shown.",
        "A value that weakens security runs out: on the day or at the time that the setting of the same name with "
        "`_UNTIL` behind it says, at most 366 days after it was first seen, and after 30 days without one. Then the "
        "safe value holds. `isthmus check` shows such values in red.",
        *parts,
        "## App credentials\n\n`ISTHMUS_PROVIDERS__<PROVIDER>__<FIELD>` gives a field of a provider's app "
        "registration, `ISTHMUS_PROVIDERS__<PROVIDER>__HOSTS__<HOST>` an address in place of a default host. What "
        "`isthmus provider set`, or the API, has stored goes before all of them together: credentials are for the "
        "hosts that they were given with, so an address of the environment never stands beside a stored credential.",
    )


def _section(section: str, kind: type) -> str:
    rows = [
        (
            name(knob.variable),
            _kind(knob),
            _SAID.get(knob.variable) or _default(knob.default),
            sentence(knob.description),
        )
        for knob in knobs(section, kind)
    ]
    title = section or "General"
    return f"## {title}\n\n" + table(("Setting", "Takes", "Default", "What it is for"), rows)


def _kind(knob: Knob) -> str:
    kind = next((part for part in get_args(knob.kind) if part is not type(None)), knob.kind)
    if get_origin(knob.kind) in (tuple, list, frozenset):
        return "list"
    if get_origin(knob.kind) in (dict, Mapping):
        return "table"
    if kind is timedelta:
        return "duration"
    plain = getattr(kind, "__name__", str(kind))
    return _KINDS.get(plain, plain)


def _default(value: object) -> str:
    if value is None or value in ((), {}, ""):
        return "-"
    if isinstance(value, timedelta):
        return name(_duration(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return name(",".join(str(each) for each in value))
    return name(value.as_posix() if isinstance(value, Path) else str(value))


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    for length, unit in _UNITS:
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)} {unit}"
    return f"{seconds:g} s"


def events() -> str:
    """What may happen, by room."""
    parts = []
    for feature in sorted(FEATURES, key=lambda feature: feature.name):
        rows = [
            (name(kind.type), code.halves(kind.__doc__)[0], _yes(kind.audited), _yes(kind.public))
            for kind in sorted(feature.emits, key=lambda kind: kind.type)
        ]
        if rows:
            parts.append(f"## {feature.name}\n\n" + table(("Event", "What happened", "Audited", "Public"), rows))
    return page(
        "Events",
        "An event is a fact. It is written in the transaction of its cause, so an event that can be read did happen, "
        "and nothing happens without its event. Each has an id (`evt_`), a time, the tenant, the object it is about, "
        "who caused it, and the id of the request.",
        "*Audited* events are changes made by people, keys and operators: `GET /api/audit` shows them. *Public* events "
        "are about the merchant's own objects and hold nothing that must stay inside.",
        *parts,
    )


def _yes(value: bool) -> str:
    return "yes" if value else "-"


def errors() -> str:
    """Failures of the API and of the commands."""
    rows: dict[tuple[str, str, int], str] = {}
    for kind, cause, cure in code.problems():
        rows.setdefault((kind.code, cause, kind.status), cure)
    return page(
        "Errors",
        "Every failure of the API has one shape: `success` is false, `error` holds `code`, `message`, `details` where "
        "there are some, `requestId`, and `retryAfter` in seconds where waiting helps. The code stays the same over "
        "releases; the message is for people and may say more than below. The commands print "
        "`error (CODE): message` and end with exit code 1.",
        table(
            ("Code", "HTTP", "What happened", "What to do"),
            [(name(key[0]), str(key[2]), key[1], cure) for key, cure in sorted(rows.items())],
        ),
        "The failures of the client library are on [a page of their own](client-errors.md).",
    )


def client_errors() -> str:
    """Failures of `isthmus.client`."""
    rows = [
        (name(kind.__name__), name(kind.CODE), _parent(kind), _cause(kind), kind.CURE, _yes(kind.RETRY_SAFE))
        for kind in code.client_errors()
    ]
    return page(
        "Errors of the client",
        "Every failure of a call is a `ClientError`. An instance also says whether bytes left (`sent`), whether "
        "sending again is safe (`retry_safe`), when (`retry_after`, seconds) and after how many `attempts`. No message "
        "holds a secret. The class of a `PlatformError` is the platform's kind of answer; its `code` is the platform's "
        "own.",
        table(("Class", "Kind", "Is a", "What happened", "What to do", "Safe to repeat"), rows),
    )


def _parent(kind: type[ClientError]) -> str:
    return "" if kind is ClientError else name(kind.__base__.__name__ if kind.__base__ else "")


def _cause(kind: type[ClientError]) -> str:
    return code.halves(kind.__doc__)[0]


def permissions() -> str:
    """Roles, permissions, routes and limits."""
    held = [
        (name(one.name), one.description, *(_yes(role in one.roles) for role in ROLES)) for one in code.permissions()
    ]
    rows = [_route(path, method, declaration) for path, method, declaration in code.declared()]
    limits = [
        (name(limit), str(count), "address" if limit in BY_ADDRESS else "principal") for limit, count in LIMITS.items()
    ]
    return page(
        "Permissions",
        "A token carries roles; a route asks for one permission. Whoever lacks it gets 403 `PERMISSION_DENIED`. "
        "An object of another tenant is answered 404, whatever the role.",
        "## Roles\n\n" + table(("Permission", "What it allows", *(name(role) for role in ROLES)), _sentences(held)),
        "## Routes\n\nWho opens what. *Key* is an API key that holds the permission, *publishable* a key for pages "
        "that everybody may read, *inside* an operator who went into a tenant (break-glass), *browser* the session of "
        "a browser. *Fresh* asks a session for a proof of the last minutes, else 403 `STEP_UP_REQUIRED`; an operator "
        "inside has none to give. People of a tenant are never `super_admin`, and a `super_admin` outside sees the "
        "deployment's own only.\n\n"
        + table(("Route", "Permission", *(name(role) for role in ROLES), *_WAYS, "Limit class"), rows),
        "## Limits\n\nRequests per minute; `ISTHMUS_HTTP__LIMITS` changes a class. All principals of a tenant together "
        "have `ISTHMUS_HTTP__TENANT_FACTOR` times one principal's number. Answers carry `X-RateLimit-Limit`, "
        "`X-RateLimit-Remaining` and `X-RateLimit-Reset`; 429 carries `Retry-After`.\n\n"
        + table(("Class", "Per minute", "Counted by"), limits),
    )


_WAYS = ("Key", "Publishable", "Inside", "Browser", "Fresh")


def _route(path: str, method: str, declaration: Declaration) -> tuple[str, ...]:
    """One route, and who opens it by which way."""
    route, permission = name(f"{method} {path}"), declaration.permission
    if isinstance(permission, Public):
        return (route, "everyone", *(_yes(True) for _ in ROLES), *("-" for _ in _WAYS), declaration.limit)
    by_key = permission.name in code.grantable()
    ways = (
        by_key,
        declaration.embed and by_key,
        by_key and TENANT_ADMIN in permission.roles and not declaration.step_up,
        not declaration.passes_on,
        declaration.step_up,
    )
    held = (_yes(role in permission.roles) for role in ROLES)
    return (route, name(permission.name), *held, *(_yes(way) for way in ways), declaration.limit)


def _sentences(rows: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    return [(row[0], sentence(row[1]), *row[2:]) for row in rows]
