"""What a person fills in: keys, and the parts of addresses that differ from one account to the next, such as a shop."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from isthmus.connect.manifest import Field, Manifest
from isthmus.connect.spi import Account
from isthmus.features.catalog import AppMissing, Registration
from isthmus.features.connections.errors import WrongKind
from isthmus.features.connections.model import connection as model
from isthmus.features.connections.service.clients import located
from isthmus.kit.secret import Secret

OAUTH = "oauth2"


def by_consent(manifest: Manifest, given: Mapping[str, Secret] | None, *, asked: bool = False) -> bool:
    """Whether a person is asked at the platform: always, or where both ways are open and no secret was filled in.

    `asked`: whether the caller chose so, or said where to return to; without it something else must be filled in.
    """
    if manifest.auth == OAUTH:
        return True
    hidden = {field.name for field in manifest.credential_fields if field.secret}
    return OAUTH in manifest.auth_also and (asked or bool(given)) and hidden.isdisjoint(given or {})


def check_app(registration: Registration) -> None:
    """A consent needs an app, also where keys do without. Raises AppMissing."""
    manifest, known = registration.manifest, registration.app.credentials
    needed = [field for field in manifest.app_fields if field.required or manifest.auth != OAUTH]
    if not all(field.name in known for field in needed):
        raise AppMissing(details={"provider": registration.provider})


def check(fields: Sequence[Field], given: Mapping[str, Secret]) -> None:
    """Whether the provider's fields were filled in, in their forms. Raises WrongKind, never with a value in it."""
    missing, unknown = model.missing_fields([(field.name, field.required) for field in fields], given)
    wrong = [{"path": name, "message": "This credential is required."} for name in missing]
    wrong += [{"path": name, "message": "The provider has no such credential."} for name in unknown]
    wrong += [
        {"path": field.name, "message": f"This does not have the form that is expected. {field.help}".strip()}
        for field in fields
        if field.pattern and given.get(field.name) and not re.fullmatch(field.pattern, given[field.name].reveal())
    ]
    if wrong:
        raise WrongKind(
            f"This provider takes: {', '.join(field.name for field in fields) or 'no credentials'}.",
            details={"fields": wrong},
        )


def read(
    registration: Registration, given: Mapping[str, Secret] | None, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The parts of the addresses at which a consent is asked; `known` are those of the account that is connected.

    Raises WrongKind for what the provider does not ask for, Invalid where a part does not fit into an address.
    """
    fields = [field for field in registration.manifest.credential_fields if not field.secret]
    if not fields and given:
        raise WrongKind("This provider is connected by a consent, not by keys; leave the credentials out.")
    kept = {field.name: Secret(known[field.name]) for field in fields if known and field.name in known}
    whole = {**kept, **(given or {})}
    check(fields, whole)
    place = {name: value.reveal() for name, value in whole.items()}
    located(registration, place)
    return place


def placed(account: Account, place: Mapping[str, str]) -> Account:
    """The account, with the parts of its addresses."""
    return replace(account, extra={**account.extra, **place}) if place else account
