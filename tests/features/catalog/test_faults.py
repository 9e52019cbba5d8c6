"""A provider's document whose parts contradict each other is refused, and the refusal names the part."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.given import catalog as given

from isthmus.features.catalog.model import definitions, document
from isthmus.kit.errors import Invalid

OAUTH = {"authorizeUrl": "https://acme.example/authorize", "tokenUrl": "https://acme.example/token"}
CONSENT = {"authType": "oauth2", "oauthConfig": OAUTH}
TRADED = {
    "authType": "custom",
    "oauthConfig": {"grantType": "client_credentials", "tokenUrl": "https://acme.example/token"},
    "credentialFields": [{"name": "client_id"}, {"name": "client_secret", "secret": True}],
}
BEARER = {"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}
ALONE = TRADED | {"service.attach": [BEARER]}
GRANT: dict[str, Any] = TRADED["oauthConfig"]  # type: ignore[assignment] # it is the one mapping among the three
KEY = {"name": "api_key", "secret": True}
SIGNED = {"where": "header:x-signature"}
FULL = CONSENT | {"service.attach": [BEARER], "webhooks": {"signatures": [SIGNED]}, "supportsWebhooks": True}
PEOPLE = "availableEntities.0.endpoint"


def told(changes: dict[str, Any]) -> dict[str, Any]:
    """A sound document with these fields in place of its own; `a.0.b` names a field inside."""
    found = copy.deepcopy(given.document("acme"))
    for path, value in changes.items():
        *before, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = found
        for part in before:
            place = place[part]
        place[last] = copy.deepcopy(value)
    return found


def refused(changes: dict[str, Any]) -> set[str]:
    """The fields that a refusal names; none where the document is taken."""
    try:
        definitions.manifest_of(document.new_provider(told(changes)))
    except Invalid as error:
        return {one["path"] for one in error.details["fields"]}
    return set()


def test_the_document_that_is_changed_here_is_sound() -> None:
    assert refused({}) == set()
    assert refused(FULL) == set()
    assert refused(ALONE) == set()
    assert refused({name: value for name, value in ALONE.items() if name != "credentialFields"}) == set()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (CONSENT | {"oauthConfig": OAUTH | {"tokenUrl": "http://acme.example/t"}}, "oauthConfig.tokenUrl"),
        (CONSENT | {"oauthConfig": OAUTH | {"revokeUrl": "https://{shop}.example/r"}}, "oauthConfig.revokeUrl"),
        (ALONE | {"authType": "oauth2"}, "authType"),
        (ALONE | {"authAlso": ["oauth2"]}, "authType"),
        (ALONE | {"oauthConfig": {"grantType": "client_credentials"}}, "oauthConfig.tokenUrl"),
        (ALONE | {"oauthConfig": GRANT | {"pkce": True}}, "oauthConfig.pkce"),
        (ALONE | {"oauthConfig": GRANT | {"authorizeUrl": "https://acme.example/a"}}, "oauthConfig.authorizeUrl"),
        (ALONE | {"credentialFields": [KEY]}, "credentialFields"),
        (ALONE | {"variables": [{"name": "domain", "source": "token"}]}, "variables.0.source"),
        (TRADED | {"service.attach.0.value": "{client_secret}"}, "service.attach"),
        ({"service.headers": {"X Version": "1"}}, "service.headers.X Version"),
        ({"service.headers": {"X-Version": "1\r\nX-More: 2"}}, "service.headers.X-Version"),
        ({"service.headers": {"Host": "evil.example"}}, "service.headers.Host"),
        ({"service.headers": {"Content-Length": "0"}}, "service.headers.Content-Length"),
        ({"service.attach.0.name": "Api Key"}, "service.attach.0.name"),
        ({"service.failing": {"when": ""}}, "service.failing.when"),
        ({"service.throttled": "a["}, "service.throttled"),
        ({"service.verify.account": "(" * 499}, "service.verify.account"),
        ({f"{PEOPLE}.items": "!" * 499 + "a"}, f"{PEOPLE}.items"),
        (
            {"entityMappings.0.fieldMappings.4.from": "[@, @] | " * 30 + "to_string(@)"},
            "entityMappings.0.fieldMappings.4.from",
        ),
        ({"service.verify.path": "/users/{user}"}, "service.verify.path"),
        ({f"{PEOPLE}.path": "/{tenant}/people"}, f"{PEOPLE}.path"),
        ({f"{PEOPLE}.search.path": ""}, f"{PEOPLE}.search.path"),
        ({f"{PEOPLE}.search.path": "/{q}"}, f"{PEOPLE}.search.path"),
        ({"entityMappings.0.fieldMappings.1.from": ""}, "entityMappings.0.fieldMappings.1.from"),
        ({"variables": [{"name": "shop"}], "credentialFields": [KEY]}, "variables.0.name"),
        ({"variables": [{"name": "shop"}, {"name": "shop"}]}, "variables.1.name"),
        ({"variables": [{"name": "domain", "source": "token"}]}, "variables.0.source"),
        ({"authType": "none", "credentialFields": [KEY]}, "authType"),
        ({"integrationType": "graphql"}, "service.verify.graphql"),
        ({"integrationType": "webhook", "supportsWebhooks": False}, "supportsWebhooks"),
        ({"webhooks": {"signatures": [SIGNED | {"template": ""}]}}, "webhooks.signatures.0.template"),
        ({"webhooks": {"signatures": [SIGNED | {"template": "always"}]}}, "webhooks.signatures.0.template"),
        ({"webhooks": {"signatures": [SIGNED | {"form": "sha256="}]}}, "webhooks.signatures.0.form"),
        (
            {"webhooks": {"signatures": [SIGNED], "reply": {"contentType": "text/plain\r\nSet-Cookie: a=b"}}},
            "webhooks.reply.contentType",
        ),
    ],
)
def test_IN_05_PL_06_parts_that_contradict_each_other_are_named(changes: dict[str, Any], path: str) -> None:
    assert path in refused(changes)


def test_a_graphql_service_is_tested_by_a_query_and_an_integration_of_webhooks_shows_them() -> None:
    assert refused({"integrationType": "graphql", "service.verify.graphql": "query { me { id } }"}) == set()
    pushing = told({"integrationType": "webhook"})
    del pushing["supportsWebhooks"]
    manifest = definitions.manifest_of(document.new_provider(pushing))
    assert "webhook" in manifest.capabilities
    assert definitions.document_of(manifest, "active", "tenant")["supportsWebhooks"] is True


def _places(value: Any, place: str = "") -> Iterator[str]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in parts:
        yield f"{place}{name}"
        yield from _places(inner, f"{place}{name}.")


@pytest.mark.parametrize("value", [None, "", 0, -1, True, [], {}, [None], "x" * 5000, "{nobody}", "a b", "../x"])
def test_whatever_stands_in_any_field_is_taken_or_refused_by_name(value: Any) -> None:
    for place in _places(told(FULL)):
        assert "" not in refused(FULL | {place: value}), (place, value)
