"""Provider folders of tests, and the catalog's parts of a process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from isthmus.connect.manifest import Manifest
from isthmus.connect.registry import Found
from isthmus.connect.spi import Connector
from isthmus.features import access, catalog

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
        "integration_type": "rest_api",
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
    return {
        catalog.Providers: shelf,
        catalog.GivenApps: catalog.read_apps(environment or {}),
        catalog.Colleagues: catalog.Colleagues(access.other_super_admins, access.is_super_admin),
    }


def document(name: str) -> dict[str, Any]:
    """A provider made at run time, in 002's words: a CRM with an API key, whose people can be read and searched."""
    return {
        "provider": name,
        "name": name,
        "displayName": "Acme CRM",
        "description": "People and companies.",
        "category": "crm",
        "integrationType": "crm",
        "status": "active",
        "audience": "tenant",
        "capabilities": ["contacts"],
        "supportedSyncDirections": ["pull"],
        "supportsRealtime": False,
        "supportsWebhooks": False,
        "supportsNotifications": False,
        "supportsSearch": True,
        "searchableEntities": ["people"],
        "searchCapabilities": {"fullText": True, "fieldSpecific": False, "filtered": False},
        "requiresUserScoping": False,
        "authType": "api_key",
        "availableEntities": [
            {
                "name": "people",
                "displayName": "People",
                "shardType": "contact",
                "operations": ["list", "read"],
                "fields": ["email"],
                "pageSize": 2,
                "endpoint": {
                    "path": "/people",
                    "items": "data",
                    "paging": {"style": "cursor", "param": "after", "cursor": "next", "sizeParam": "limit"},
                    "since": "changed_since",
                    "search": {"path": "/people/search", "param": "q", "items": "found"},
                },
            }
        ],
        "entityMappings": [
            {
                "entity": "people",
                "shardType": "contact",
                "fieldMappings": [
                    {"from": "id", "to": "id", "transform": "text"},
                    {"from": "full_name", "to": "title"},
                    {"from": "link", "to": "url"},
                    {"from": "changed", "to": "updatedAt", "transform": "epoch"},
                    {"from": "mail", "to": "email", "transform": "lower"},
                    {"from": "gone", "to": "deleted", "transform": "boolean"},
                ],
            }
        ],
        "icon": "acme",
        "color": "#123456",
        "version": "1",
        "hosts": {"api": "https://api.acme.example"},
        "service": {
            "attach": [{"place": "header", "name": "Authorization", "value": "Bearer {api_key}"}],
            "verify": {"path": "/me", "account": "account.id", "name": "account.name"},
        },
    }
