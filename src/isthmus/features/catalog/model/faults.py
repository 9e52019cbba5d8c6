"""What does not go together in a provider's document, field by field (pure)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl

from isthmus.connect.service import names_in
from isthmus.features.catalog.model import calling, expressed, pushes, trading
from isthmus.features.catalog.model import hosts as rules
from isthmus.features.catalog.model.derived import OAUTH, OAUTH_HOSTS, forms_of, hosts_of, trades_keys
from isthmus.features.catalog.model.document import (
    EndpointPart,
    FormFieldPart,
    NewProvider,
    ServicePart,
    VerifyPart,
)
from isthmus.features.catalog.model.words import is_link
from isthmus.kit import patterns
from isthmus.kit.text import camelled

Fault = dict[str, str]
#: Words that stand in an address of the catalog and so are no provider's.
_TAKEN = frozenset({"oauth", "search", "categories"})
_OPERATIONS = frozenset(
    {"list", "read", "create", "update", "delete", "write", "push", "search", "subscribe", "notify"}
)
#: Entities that are read by code of their own.
_SHAPED = frozenset({"products", "orders"})
#: Names that credentials stand under: what a document says is exported, listed in its history and audited.
_CREDENTIAL = re.compile(
    r".*(?:secret|password|passwd|passphrase|token|credentials?|authorization|cookie|signature"
    r"|(?:api|app|access|private|partner|subscription)[_-]?key)|key|auth|sig|pwd",
    re.IGNORECASE,
)
_SPOKEN = "A credential stands in no document: make it a field, and name that in `service.attach`."
_PLAIN = re.compile(r"(?:(?:\[[^\[\]\\]{1,60}\]|\\[dw.-]|[A-Za-z0-9_:/@-])(?:[+*?]|\{\d{1,3}(?:,\d{0,3})?\})?){1,40}")


def _fault(path: str, message: str) -> Fault:
    return {"path": path, "message": message}


def faults_of(document: NewProvider) -> Iterator[Fault]:
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
    yield from _variable_faults(document)
    yield from _kind_faults(document)
    told = (*calling.complaints(document), *expressed.complaints(document))
    yield from (_fault(path, message) for path, message in told)
    yield from _push_faults(document)
    yield from (_fault(place, _SPOKEN) for place, name in _texts(document) if _CREDENTIAL.fullmatch(name))


def _texts(document: NewProvider) -> Iterator[tuple[str, str]]:
    """The names of everything that is sent as it stands here, with its place."""
    service, oauth = document.service, document.oauth_config
    given: list[tuple[str, Iterable[str]]] = []
    if service is not None:
        given.append(("service.headers", service.headers))
        if service.verify is not None:
            given.append(("service.verify.path", _asked(service.verify.path)))
    if oauth is not None:
        given.append(("oauthConfig.extraParams", oauth.extra_params))
    for at, entity in enumerate(document.available_entities or ()):
        if entity.endpoint is not None:
            place, one = f"availableEntities.{at}.endpoint", entity.endpoint
            search = one.search.path if one.search is not None else ""
            given += [(f"{place}.query", one.query), (f"{place}.path", _asked(one.path)), (place, _asked(one.one))]
            given.append((f"{place}.search.path", _asked(search)))
    return ((place, name) for place, names in given for name in names)


def _asked(path: str) -> list[str]:
    """The names in the query of a path."""
    return [name for name, _ in parse_qsl(path.partition("?")[2], keep_blank_values=True)]


def _push_faults(document: NewProvider) -> Iterator[Fault]:
    if document.webhooks is None:
        return
    if document.supports_webhooks is False:
        yield _fault("supportsWebhooks", "There are webhooks, so this is true.")
    forms = forms_of(document, document.model_dump(exclude_none=True))
    entities = {one.name for one in document.available_entities or ()}
    for place, message in pushes.complaints(document.webhooks, entities, {one["name"] for one in forms["app_fields"]}):
        yield _fault(f"webhooks.{place}".rstrip("."), message)


def _form_faults(document: NewProvider) -> Iterator[Fault]:
    for name in ("app_fields", "credential_fields", "settings_fields"):
        fields: Sequence[FormFieldPart] = getattr(document, name) or ()
        for at, field in enumerate(fields):
            place = f"{camelled(name)}.{at}"
            if field.name in {one.name for one in fields[:at]}:
                yield _fault(f"{place}.name", "Two fields have this name.")
            if field.secret and name == "settings_fields":
                yield _fault(f"{place}.secret", "Settings are shown to people; make it a credential field.")
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
    if oauth is not None and trades_keys(document):
        yield from (_fault(path, message) for path, message in trading.complaints(document, oauth))
    elif (OAUTH in {document.auth_type, *(document.auth_also or ())}) != (oauth is not None):
        yield _fault("oauthConfig", "It belongs to authType or authAlso oauth2, and to nothing else.")
    if document.auth_also and document.auth_type in {OAUTH, "none"}:
        yield _fault("authAlso", "A second way to sign in stands beside keys, a password or other credentials.")
    if oauth is not None and document.service is not None and not trades_keys(document):
        for name, address in (("authorizeUrl", oauth.authorize_url), ("tokenUrl", oauth.token_url)):
            if not address:
                yield _fault(f"oauthConfig.{name}", "A provider that is called by its facts needs this address.")
    if document.service is not None:
        yield from _service_faults(document, document.service)
        if document.service.verify is not None:
            yield from _verify_faults(hosts_of(document), document.service.verify)


def _verify_faults(hosts: Mapping[str, str], verify: VerifyPart) -> Iterator[Fault]:
    if verify.host not in hosts:
        yield _fault("service.verify.host", "There is no host of this name.")
    elif verify.path and not verify.path.startswith("/") and "/" not in hosts[verify.host].partition("://")[2]:
        # it would become a part of the host's name
        yield _fault("service.verify.path", "A path begins with a slash.")
    query = verify.graphql.lstrip()
    if query and not query.startswith(("query", "{")):
        yield _fault("service.verify.graphql", "A query begins with `query` or a brace, and changes nothing.")


def _service_faults(document: NewProvider, service: ServicePart) -> Iterator[Fault]:
    if document.auth_type != "none" and not service.attach:
        yield _fault("service.attach", "Say where the credentials go.")
    known = {
        one["name"]
        for several in forms_of(document, document.model_dump(exclude_none=True)).values()
        for one in several or ()
    }
    secret = {one.name for one in document.credential_fields or () if one.secret}
    if document.auth_type == "none" and any(secret.intersection(names_in(one.value)) for one in service.attach):
        yield _fault("authType", "Calls are signed with a secret of credentialFields, so it is not `none`.")
    for at, one in enumerate(service.attach):
        if (one.place == "basic") == bool(one.name):
            yield _fault(f"service.attach.{at}.name", "A header or a parameter has a name, Basic has none.")
        if not names_in(one.value):
            yield _fault(f"service.attach.{at}.value", "It names a credential in braces, such as {api_key}.")
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
    elif endpoint.host not in hosts_of(document):
        yield _fault(f"{place}.host", "There is no host of this name.")
    search = endpoint.search.path if endpoint.search else ""
    needed = ("path", "search.path") if endpoint.search else ("path",)
    for name, path in (("path", endpoint.path), ("one", endpoint.one), ("search.path", search)):
        if not path.startswith("/") and (path or name in needed):
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
    hosts = hosts_of(document)
    if document.service is not None and "api" not in hosts:
        yield _fault("hosts.api", "A provider that is called by its facts needs this address.")
    variables = {one.name for one in document.variables or ()}
    consent = {host: name for host, name in OAUTH_HOSTS if getattr(document.oauth_config, name, "")}
    for name, address in sorted(hosts.items()):
        place = f"oauthConfig.{camelled(consent[name])}" if name in consent else f"hosts.{name}"
        plain = address
        for part in names_in(address):
            if part not in variables:
                yield _fault(place, f"{part[:50]} is not among the variables.")
            whole = address.startswith(f"{{{part}}}")
            plain = plain.replace(f"{{{part}}}", "https://part.example" if whole else "part")
        complaint = rules.complaint(plain)
        if complaint:
            yield _fault(place, complaint)


def _variable_faults(document: NewProvider) -> Iterator[Fault]:
    given = document.variables or ()
    asked = {one["name"] for one in forms_of(document, document.model_dump(exclude_none=True))["credential_fields"]}
    for at, one in enumerate(given):
        if one.name in {other.name for other in given[:at]}:
            yield _fault(f"variables.{at}.name", "Two variables have this name.")
        if one.source == "credential" and one.name not in asked:
            yield _fault(
                f"variables.{at}.name", "No field of credentialFields has this name, so nobody is asked for it."
            )
        if one.source == "token" and (document.oauth_config is None or trades_keys(document)):
            yield _fault(f"variables.{at}.source", "A token's answer comes from a consent, and this provider has none.")


def _kind_faults(document: NewProvider) -> Iterator[Fault]:
    """What the kind of integration says of its test and its abilities (design/api.md, Shapes)."""
    verify = document.service.verify if document.service is not None else None
    if document.integration_type == "graphql" and verify is not None and not verify.graphql:
        yield _fault(
            "service.verify.graphql", "A GraphQL service is tested by a query, such as `query { viewer { id } }`."
        )
    if document.integration_type == "webhook" and document.supports_webhooks is False:
        yield _fault("supportsWebhooks", "An integration of the type webhook has them, so this is true.")
