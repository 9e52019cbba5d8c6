"""A provider's document and its manifest, each made of the other, and the rules between their fields (pure)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from isthmus.connect.manifest import Field, Manifest
from isthmus.connect.service import COLUMNS, Endpoint, names_in
from isthmus.features.catalog.model import expressed, pushes
from isthmus.features.catalog.model import hosts as rules
from isthmus.features.catalog.model.document import EndpointPart, FormFieldPart, NewProvider, OAuthPart, ServicePart
from isthmus.kit import patterns
from isthmus.kit.errors import Invalid

Fault = dict[str, str]
#: Words that stand in an address of the catalog and so are no provider's.
_TAKEN = frozenset({"oauth", "search", "categories"})
_OPERATIONS = frozenset(
    {"list", "read", "create", "update", "delete", "write", "push", "search", "subscribe", "notify"}
)
#: Entities that are read by code of their own.
_SHAPED = frozenset({"products", "orders"})
_WEBHOOK = "webhook"
_PLAIN = re.compile(r"(?:(?:\[[^\[\]\\]{1,60}\]|\\[dw.-]|[A-Za-z0-9_:/@-])(?:[+*?]|\{\d{1,3}(?:,\d{0,3})?\})?){1,40}")
_OAUTH_HOSTS = (
    ("consent", "authorize_url"),
    ("token", "token_url"),
    ("refresh", "refresh_url"),
    ("revoke", "revoke_url"),
)
#: The fields that each way of signing in asks for, unless the document names its own.
_FORMS: Mapping[str, tuple[Field, ...]] = {
    "api_key": (Field(name="api_key", label="API key", secret=True),),
    "basic": (Field(name="username", label="User name"), Field(name="password", label="Password", secret=True)),
}
_APP = (
    Field(name="client_id", label="Client id"),
    Field(name="client_secret", label="Client secret", secret=True, required=False),
)
#: Where there is another way too, nobody needs an app for that one.
_APP_ALSO = tuple(msgspec.structs.replace(one, required=False) for one in _APP)
_OAUTH = "oauth2"


def manifest_of(document: NewProvider) -> Manifest:
    """The manifest that a document describes. Raises Invalid naming everything that does not go together."""
    faults = list(_faults(document))
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
        "hosts": _hosts(document),
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
        **_forms(document, given),
    }
    same = (
        "icon", "color", "uptime", "regions", "featured", "required_plan", "limits", "variables", "service", "webhooks",
    )  # fmt: skip
    plain |= {name: given[name] for name in same if name in given}
    if document.oauth_config is not None:
        plain["oauth"] = _oauth(document.oauth_config)
    return plain


def _hosts(document: NewProvider) -> dict[str, str]:
    oauth = document.oauth_config
    named = {host: getattr(oauth, name) for host, name in _OAUTH_HOSTS} if oauth is not None else {}
    given = {name: address for name, address in named.items() if address}
    return {**{name: address.rstrip("/") for name, address in (document.hosts or {}).items()}, **given}


def _capabilities(document: NewProvider) -> list[str]:
    given = list(document.capabilities or ())
    return [*given, _WEBHOOK] if document.supports_webhooks and _WEBHOOK not in given else given


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


def _forms(document: NewProvider, given: Mapping[str, Any]) -> dict[str, Any]:
    usual = _FORMS.get(document.auth_type, ())
    parts = [
        Field(name=one.name, label=one.name.replace("_", " ").capitalize())
        for one in document.variables or ()
        if one.source == "credential" and one.name not in {field.name for field in usual}
    ]
    app = _app_fields(document)
    usual_fields = msgspec.to_builtins([*parts, *usual])
    fields = {name: given[name] for name in ("app_fields", "credential_fields", "settings_fields") if name in given}
    labelled = {
        name: [{**one, "label": one["label"] or one["name"]} for one in several] for name, several in fields.items()
    }
    return {"app_fields": msgspec.to_builtins(app), "credential_fields": usual_fields, **labelled}


def _app_fields(document: NewProvider) -> Sequence[Field]:
    """What an app is asked for; its id is not, where the document tells it."""
    if document.oauth_config is None:
        return ()
    several = _APP if document.auth_type == _OAUTH else _APP_ALSO
    return [one for one in several if one.name != "client_id" or not document.oauth_config.client_id]


def _oauth(given: OAuthPart) -> dict[str, Any]:
    plain = given.model_dump(exclude={"authorize_url", "token_url", "refresh_url", "revoke_url"})
    plain["refresh"], plain["authorize_params"] = plain.pop("refreshable"), plain.pop("extra_params")
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
        "hosts": {name: at for name, at in manifest.hosts.items() if name not in dict(_OAUTH_HOSTS)},
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
        return {_camelled(name): one if name in _DATA else _camel(one) for name, one in kept.items()}
    return [_camel(one) for one in value] if isinstance(value, list | tuple) else value


def _camelled(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _oauth_document(manifest: Manifest) -> dict[str, Any] | None:
    oauth = manifest.oauth
    if oauth is None:
        return None
    at = {_camelled(name): manifest.hosts[host] for host, name in _OAUTH_HOSTS if host in manifest.hosts}
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
    }


def _fault(path: str, message: str) -> Fault:
    return {"path": path, "message": message}


def _faults(document: NewProvider) -> Iterator[Fault]:
    if document.provider in _TAKEN:
        yield _fault("provider", "This word stands in an address of the catalog already.")
    if bool(document.is_premium) != (document.required_plan is not None):
        yield _fault("requiredPlan", "A premium provider names the plan that it needs, and no other one does.")
    if not is_link(document.documentation_url):
        yield _fault("documentationUrl", "A link begins with https:// or http://.")
    yield from _form_faults(document)
    yield from _search_faults(document)
    yield from _auth_faults(document)
    yield from _entity_faults(document)
    yield from _mapping_faults(document)
    yield from _host_faults(document)
    yield from (_fault(path, message) for path, message in expressed.complaints(document))
    yield from _push_faults(document)


def _push_faults(document: NewProvider) -> Iterator[Fault]:
    if document.webhooks is None:
        return
    if document.supports_webhooks is False:
        yield _fault("supportsWebhooks", "There are webhooks, so this is true.")
    forms = _forms(document, document.model_dump(exclude_none=True))
    entities = {one.name for one in document.available_entities or ()}
    for place, message in pushes.complaints(document.webhooks, entities, {one["name"] for one in forms["app_fields"]}):
        yield _fault(f"webhooks.{place}".rstrip("."), message)


def is_link(address: str | None) -> bool:
    """Whether a person may be sent there; an empty one is none."""
    return not address or address.startswith(("https://", "http://"))


def _form_faults(document: NewProvider) -> Iterator[Fault]:
    for name in ("app_fields", "credential_fields", "settings_fields"):
        fields: Sequence[FormFieldPart] = getattr(document, name) or ()
        for at, field in enumerate(fields):
            place = f"{_camelled(name)}.{at}"
            if field.name in {one.name for one in fields[:at]}:
                yield _fault(f"{place}.name", "Two fields have this name.")
            # what merchants type is matched against it, so it must not be able to take long
            if field.pattern and (complaint := _wild(field.pattern)):
                yield _fault(f"{place}.pattern", complaint)


def _wild(pattern: str) -> str | None:
    if not _PLAIN.fullmatch(pattern):
        return "Only characters and sets with counts are taken."
    try:
        patterns.check(pattern)
    except ValueError as error:
        return f"This pattern is not taken: {error}."
    return None


def _search_faults(document: NewProvider) -> Iterator[Fault]:
    wanted, named = bool(document.supports_search), document.searchable_entities or ()
    if wanted and not named:
        yield _fault("searchableEntities", "A provider that supports search names the entities that can be searched.")
    if not wanted and named:
        yield _fault("supportsSearch", "There are searchable entities, so this is true.")
    if not wanted and document.search_capabilities and any(document.search_capabilities.model_dump().values()):
        yield _fault("searchCapabilities", "A provider that does not support search has none.")
    known = {one.name for one in document.available_entities or ()}
    yield from (
        _fault(f"searchableEntities.{at}", "There is no such entity in availableEntities.")
        for at, name in enumerate(named)
        if name not in known
    )


def _auth_faults(document: NewProvider) -> Iterator[Fault]:
    oauth = document.oauth_config
    if (_OAUTH in {document.auth_type, *(document.auth_also or ())}) != (oauth is not None):
        yield _fault("oauthConfig", "It belongs to authType or authAlso oauth2, and to nothing else.")
    if document.auth_also and document.auth_type in {_OAUTH, "none"}:
        yield _fault("authAlso", "A second way to sign in stands beside keys, a password or other credentials.")
    if oauth is not None and document.service is not None:
        for name, address in (("authorizeUrl", oauth.authorize_url), ("tokenUrl", oauth.token_url)):
            if not address:
                yield _fault(f"oauthConfig.{name}", "A provider that is called by its facts needs this address.")
    if document.service is not None:
        yield from _service_faults(document, document.service)


def _service_faults(document: NewProvider, service: ServicePart) -> Iterator[Fault]:
    if document.auth_type != "none" and not service.attach:
        yield _fault("service.attach", "Say where the credentials go.")
    known = {
        one["name"]
        for several in _forms(document, document.model_dump(exclude_none=True)).values()
        for one in several or ()
    }
    for at, one in enumerate(service.attach):
        if (one.place == "basic") == bool(one.name):
            yield _fault(f"service.attach.{at}.name", "A header or a parameter has a name, Basic has none.")
        for name in names_in(one.value):
            if name not in known | {"access_token", "account"}:
                yield _fault(f"service.attach.{at}.value", f"There is no credential named {name}.")


def _entity_faults(document: NewProvider) -> Iterator[Fault]:
    seen: set[str] = set()
    for at, entity in enumerate(document.available_entities or ()):
        place = f"availableEntities.{at}"
        if entity.name in seen:
            yield _fault(f"{place}.name", "Two entities have this name.")
        seen.add(entity.name)
        if entity.name in _SHAPED:
            yield _fault(f"{place}.name", "Records of this name have a shape of their own; choose another one.")
        for operation in sorted(set(entity.operations) - _OPERATIONS):
            yield _fault(f"{place}.operations", f"{operation[:50]!r} is none of {', '.join(sorted(_OPERATIONS))}.")
        if entity.endpoint is not None:
            yield from _endpoint_faults(document, f"{place}.endpoint", entity.endpoint)
        if entity.cursor_field and (entity.endpoint is None or entity.endpoint.since not in ("", entity.cursor_field)):
            yield _fault(f"{place}.cursorField", "It says the same as `since` of the entity's endpoint.")
    directions = set(document.supported_sync_directions or ())
    if directions & {"pull", "bidirectional"} and not seen:
        yield _fault("supportedSyncDirections", "There is no entity that could be pulled.")


def _endpoint_faults(document: NewProvider, place: str, endpoint: EndpointPart) -> Iterator[Fault]:
    if document.service is None:
        yield _fault(place, "Endpoints belong to a provider with a service.")
    elif endpoint.host not in _hosts(document):
        yield _fault(f"{place}.host", "There is no host of this name.")
    search = endpoint.search.path if endpoint.search else ""
    for name, path in (("path", endpoint.path), ("one", endpoint.one), ("search.path", search)):
        if not path.startswith("/") and (path or name == "path"):
            yield _fault(f"{place}.{name}", "A path begins with a slash.")
    if endpoint.one and names_in(endpoint.one) != ("id",):
        yield _fault(f"{place}.one", "The path of one record has {id} in it, and no other part.")


def _mapping_faults(document: NewProvider) -> Iterator[Fault]:
    types = {one.name: one.shard_type for one in document.available_entities or ()}
    seen: set[str] = set()
    for at, mapping in enumerate(document.entity_mappings or ()):
        place = f"entityMappings.{at}"
        if mapping.entity not in types:
            yield _fault(f"{place}.entity", "There is no such entity in availableEntities.")
        elif types[mapping.entity] != mapping.shard_type:
            yield _fault(f"{place}.shardType", f"The entity says {types[mapping.entity]}.")
        if mapping.entity in seen:
            yield _fault(f"{place}.entity", "The entity has a mapping already.")
        seen.add(mapping.entity)
        targets = [one.target for one in mapping.field_mappings]
        for target in sorted({one for one in targets if targets.count(one) > 1}):
            yield _fault(f"{place}.fieldMappings", f"{target} is mapped twice.")


def _host_faults(document: NewProvider) -> Iterator[Fault]:
    hosts = _hosts(document)
    if document.service is not None and "api" not in hosts:
        yield _fault("hosts.api", "A provider that is called by its facts needs this address.")
    variables = {one.name: one for one in document.variables or ()}
    for name, address in sorted(hosts.items()):
        plain = address
        for part in names_in(address):
            if part not in variables:
                yield _fault(f"hosts.{name}", f"{part[:50]} is not among the variables.")
            whole = address.startswith(f"{{{part}}}")
            plain = plain.replace(f"{{{part}}}", "https://part.example" if whole else "part")
        complaint = rules.complaint(plain)
        if complaint:
            yield _fault(f"hosts.{name}", complaint)
