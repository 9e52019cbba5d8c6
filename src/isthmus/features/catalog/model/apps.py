"""App registrations: what a change of credentials or hosts leaves behind (pure)."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from isthmus.connect.manifest import Field, Manifest
from isthmus.features.catalog.model import hosts as rules
from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag
from isthmus.kit.secret import Secret

_VALUE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class StoredApp:
    """A registration row. `hosts` are the operator's own; `bound_to` is what the credentials were given for."""

    id: str
    tenant_id: str
    provider: str
    kind: str
    credentials: bytes | None
    hosts: Mapping[str, str]
    bound_to: str
    redirect_path: str
    version: int
    updated_at: datetime

    def usable(self, manifest: Manifest) -> bool:
        """Whether there are credentials, or none are needed, and they were given for the hosts of today (VA-01)."""
        there = self.credentials is not None or not any(field.required for field in manifest.app_fields)
        return there and self.bound_to == self.binding(manifest)

    def effective(self, manifest: Manifest) -> dict[str, str]:
        """Where calls go today: a host that the manifest no longer knows is dropped."""
        return rules.effective(manifest.hosts, self.hosts)

    def binding(self, manifest: Manifest) -> str:
        """What credentials must have been given for to be used today."""
        return rules.binding(self.effective(manifest))


def app_tag(provider: str, version: int) -> str:
    """The tag of the deployment's app at a provider; 0: none has been set."""
    return etag("app", provider, version)


@dataclass(frozen=True, slots=True)
class AppChange:
    """What a registration becomes. `credentials` None: they were cleared and must be given anew."""

    credentials: Mapping[str, Secret] | None
    hosts: Mapping[str, str]
    bound_to: str
    cleared: bool


def change(
    manifest: Manifest,
    stored: StoredApp | None,
    known: Mapping[str, Secret],
    credentials: Mapping[str, Secret] | None,
    hosts: Mapping[str, str] | None,
) -> AppChange:
    """Decide what remains. `known` are the stored credentials, opened; given hosts replace the operator's earlier ones.

    Raises Invalid when a credential is unknown, empty or missing.
    """
    own = dict(stored.hosts) if hosts is None and stored else rules.read_hosts(manifest.hosts, hosts or {})
    bound_to = rules.binding(rules.effective(manifest.hosts, own))
    moved = stored is not None and bool(known) and bound_to != stored.bound_to
    kept = {} if moved else dict(known)
    given = read_credentials(manifest.app_fields, credentials or {})
    merged = {**kept, **given}
    if credentials:
        _require(manifest.app_fields, merged)
    return AppChange(merged or None, own, bound_to, cleared=moved and not given)


def read_credentials(fields: Sequence[Field], given: Mapping[str, Secret]) -> dict[str, Secret]:
    """Check credentials by the manifest's fields. Raises Invalid naming each wrong one, never its value."""
    by_name = {field.name: field for field in fields}
    wrong = [
        {"path": f"credentials.{name}", "message": complaint}
        for name, secret in given.items()
        if (complaint := _complaint(by_name.get(name), secret.reveal()))
    ]
    if wrong:
        raise Invalid("An app credential is not valid.", details={"fields": wrong})
    return dict(given)


def _complaint(field: Field | None, value: str) -> str | None:
    if field is None:
        return "The provider has no credential of this name."
    if not value or len(value) > _VALUE_LIMIT or value != value.strip() or not value.isprintable():
        return "The value is empty, too long, or holds white space or control characters at an end."
    if field.pattern and not re.fullmatch(field.pattern, value):
        return f"The value has not the form of a {field.label}."
    return None


def _require(fields: Sequence[Field], given: Mapping[str, Secret]) -> None:
    missing = [field.name for field in fields if field.required and field.name not in given]
    if missing:
        said = [{"path": f"credentials.{name}", "message": "This credential is required."} for name in missing]
        raise Invalid("App credentials are missing.", details={"fields": said})


def ready(manifest: Manifest, usable: Container[str]) -> bool | None:
    """Whether a provider's app is among those that can be used; None where none is needed."""
    return manifest.id in usable if any(field.required for field in manifest.app_fields) else None


def complete(fields: Sequence[Field], given: Mapping[str, Secret]) -> bool:
    """Whether no required credential is missing."""
    return all(field.name in given for field in fields if field.required)
