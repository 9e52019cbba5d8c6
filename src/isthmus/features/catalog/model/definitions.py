"""A provider's document and its manifest, each made of the other (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from isthmus.connect.manifest import Manifest
from isthmus.connect.service import COLUMNS, Endpoint
from isthmus.features.catalog.model.derived import OAUTH_HOSTS, forms_of, hosts_of
from isthmus.features.catalog.model.document import NewProvider, OAuthPart
from isthmus.features.catalog.model.faults import faults_of
from isthmus.kit.errors import Invalid
from isthmus.kit.text import camelled

_WEBHOOK = "webhook"


def manifest_of(document: NewProvider) -> Manifest:
    """The manifest that a document describes. Raises Invalid naming everything that does not go together."""
    faults = list(faults_of(document))
    if faults:
        raise Invalid("The provider's fields do not go together.", details={"fields": faults})
    return msgspec.convert(_plain(document), Manifest)


def _plain(document: NewProvider) -> dict[str, Any]:
    given = document.model_dump(exclude_none=True)
    names = given.get("names") or {}
    searched = set(given.get("searchable_entities", ()))
    targets = {
        one.entity: [field.target for field in one.field_mappings if field.target not in COLUMNS]
        for one in document.entity_mappings or ()
    }
    plain = {
        "id": document.provider,
        "title": "" if document.name == document.provider else document.name,
        "names": {**names, "en": document.display_name},
        "description": given.get("description", ""),
        "category": document.category,
        "integration_type": given.get("integration_type", "custom"),
        "auth": document.auth_type,
        "auth_also": document.auth_also or (),
        "api_version": given.get("version", ""),
        "documentation_url": given.get("documentation_url", ""),
        "hosts": hosts_of(document),
        "status": document.status,
        "audience": document.audience,
        "capabilities": _capabilities(document),
        "sync_directions": given.get("supported_sync_directions", ()),
        "realtime": given.get("supports_realtime", False),
        "notifications": given.get("supports_notifications", False),
        "user_scoping": given.get("requires_user_scoping", False),
        "premium": given.get("is_premium", False),
        "entities": [_entity(one, searched, targets) for one in given.get("available_entities", ())],
        "mappings": [_mapping(one) for one in given.get("entity_mappings", ())],
        "search": given.get("search_capabilities"),
        **forms_of(document, given),
    }
    same = (
        "icon", "color", "uptime", "regions", "featured", "required_plan", "limits", "variables", "service", "webhooks",
    )  # fmt: skip
    plain |= {name: given[name] for name in same if name in given}
    if document.oauth_config is not None:
        plain["oauth"] = _oauth(document.oauth_config)
    return plain


def _capabilities(document: NewProvider) -> list[str]:
    given = list(document.capabilities or ())
    pushes = document.supports_webhooks or document.integration_type == "webhook"
    return [*given, _WEBHOOK] if pushes and _WEBHOOK not in given else given


def _entity(given: dict[str, Any], searched: set[str], targets: Mapping[str, list[str]]) -> dict[str, Any]:
    operations = [one for one in given["operations"] if one != "search"]
    found = [*operations, "search"] if given["name"] in searched else operations
    fields = given["fields"] or targets.get(given["name"], [])
    plain = {name: value for name, value in given.items() if name != "cursor_field"}
    if given.get("cursor_field") and "endpoint" in given:
        plain["endpoint"] = {**given["endpoint"], "since": given["cursor_field"]}
    return {**plain, "fields": fields, "display_name": given["display_name"] or given["name"], "operations": found}


def _mapping(given: dict[str, Any]) -> dict[str, Any]:
    fields = [
        {"from": one["source"], "to": one["target"], "transform": one.get("transform")}
        for one in given["field_mappings"]
    ]
    return {**given, "field_mappings": fields}


def _oauth(given: OAuthPart) -> dict[str, Any]:
    plain = given.model_dump(exclude={"authorize_url", "token_url", "refresh_url", "revoke_url"})
    plain["refresh"], plain["authorize_params"] = plain.pop("refreshable"), plain.pop("extra_params")
    plain["grant"] = plain.pop("grant_type")
    return plain


def document_of(manifest: Manifest, status: str, audience: str) -> dict[str, Any]:
    """The document that makes this manifest, camelCase, without anything that only we write."""
    plain = msgspec.json.decode(msgspec.json.encode(manifest))
    searched = [one.name for one in manifest.entities if "search" in one.operations]
    document = {
        "provider": manifest.id,
        "name": manifest.title or manifest.id,
        "displayName": manifest.name,
        "names": dict(manifest.names),
        "description": manifest.description,
        "category": manifest.category,
        "integrationType": manifest.integration_type,
        "status": status,
        "audience": audience,
        "capabilities": list(manifest.capabilities),
        "supportedSyncDirections": list(manifest.sync_directions),
        "supportsRealtime": manifest.realtime,
        "supportsWebhooks": manifest.webhooks is not None or _WEBHOOK in manifest.capabilities,
        "supportsNotifications": manifest.notifications,
        "supportsSearch": bool(searched),
        "searchableEntities": searched,
        "searchCapabilities": _camel(plain["search"]),
        "requiresUserScoping": manifest.user_scoping,
        "authType": manifest.auth,
        "authAlso": list(manifest.auth_also),
        "oauthConfig": _oauth_document(manifest),
        "availableEntities": _camel([_keep(one, _ENTITY) for one in plain["entities"]]),
        "entityMappings": _camel(plain["mappings"]),
        "icon": manifest.icon,
        "color": manifest.color,
        "version": manifest.api_version,
        "isPremium": manifest.premium,
        "requiredPlan": manifest.required_plan,
        "documentationUrl": manifest.documentation_url,
        **{name: _camel(plain[name]) for name in _ALIKE},
        "hosts": {name: at for name, at in manifest.hosts.items() if name not in dict(OAUTH_HOSTS)},
        "appFields": _form_document(plain["app_fields"]),
        "credentialFields": _form_document(plain["credential_fields"]),
        "settingsFields": _form_document(plain["settings_fields"]),
    }
    return {name: value for name, value in document.items() if value not in (None, "", [], {}, ())}


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as the document has it."""
    found: dict[str, Any] = _camel(msgspec.to_builtins(endpoint))
    return found


#: What is called and built alike in a manifest and in a document.
_ALIKE = ("uptime", "regions", "featured", "service", "variables", "limits", "webhooks")
_ENTITY = ("name", "display_name", "shard_type", "operations", "fields", "page_size", "endpoint")
#: Maps whose keys are data and not names of ours.
_DATA = frozenset({"query", "headers", "names", "extra_params", "when", "requires"})


def _form_document(fields: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if value != {}} for one in fields]


def _keep(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}


def _camel(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        kept = {name: one for name, one in value.items() if one is not None}
        return {camelled(name): one if name in _DATA else _camel(one) for name, one in kept.items()}
    return [_camel(one) for one in value] if isinstance(value, list | tuple) else value


def _oauth_document(manifest: Manifest) -> dict[str, Any] | None:
    oauth = manifest.oauth
    if oauth is None:
        return None
    at = {camelled(name): manifest.hosts[host] for host, name in OAUTH_HOSTS if host in manifest.hosts}
    return {
        **(at if manifest.service is not None else {}),
        "scopes": list(oauth.scopes),
        "scopeSeparator": oauth.scope_separator,
        "clientAuth": oauth.client_auth,
        "bodyFormat": oauth.body_format,
        "pkce": oauth.pkce,
        "refreshable": oauth.refresh,
        "extraParams": dict(oauth.authorize_params),
        **({"clientId": oauth.client_id} if oauth.client_id else {}),
        **({"grantType": oauth.grant} if manifest.trades_keys else {}),
    }
