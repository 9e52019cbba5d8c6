"""Provider folders of tests, and the catalog's parts of a process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from isthmus.connect.manifest import Manifest
from isthmus.connect.registry import Found
from isthmus.connect.spi import Connector
from isthmus.features import catalog

HOSTS = {"api": "https://api.example.com", "auth": "https://auth.example.com"}
FIELDS = [
    {"name": "partner_id", "label": "Partner id", "pattern": "[0-9]+"},
    {"name": "partner_key", "label": "Partner key", "secret": True},
    {"name": "note", "label": "Note", "required": False},
]


def manifest(name: str, **changes: object) -> Manifest:
    """A marketplace with OAuth and an app, unless told otherwise."""
    facts: dict[str, Any] = {
        "id": name,
        "names": {"en": name.capitalize()},
        "category": "marketplace",
        "integration_type": "marketplace",
        "description": f"Listings and orders of {name}.",
        "auth": "oauth2",
        "oauth": {"scopes": ["read"]},
        "api_version": "2",
        "documentation_url": "https://docs.example.com",
        "hosts": HOSTS,
        "app_fields": FIELDS,
        "entities": [{"name": "listing", "display_name": "Listings", "shard_type": "product"}],
    }
    return msgspec.convert(facts | changes, Manifest)


def providers(folder: Path, *manifests: Manifest, without_connector: str = "") -> catalog.Providers:
    """These providers, found in folders; a connector is only handed through, so any object will do."""
    found: dict[str, Found] = {}
    for one in manifests:
        place = folder / one.id
        place.mkdir(exist_ok=True)
        (place / "manifest.toml").touch()
        connector = None if one.id == without_connector else cast("Connector", object())
        found[one.id] = Found(one, connector, place)
    return catalog.Providers(found)


def parts(shelf: catalog.Providers, environment: Mapping[str, str] | None = None) -> dict[type, object]:
    """What the composition root gives the catalog."""
    return {catalog.Providers: shelf, catalog.GivenApps: catalog.read_apps(environment or {})}
