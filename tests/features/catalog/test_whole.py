"""What document 002 sends is answered field by field, and what was answered can be sent back and changes nothing."""

from collections import Counter
from typing import Any

import pytest
from tests.given import catalog as given
from tests.given.connectors import shipped

from isthmus.features.catalog.model import definitions, document
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.routes.admin import answered
from isthmus.features.catalog.routes.shapes import detail_of, whole_of
from isthmus.features.catalog.service.providers import Providers
from isthmus.kit.errors import Invalid

OAUTH = {
    "authorizeUrl": "https://acme.example/authorize",
    "tokenUrl": "https://acme.example/token",
    "refreshUrl": "https://acme.example/refresh",
    "revokeUrl": "https://acme.example/revoke",
    "scopes": ["read", "offline"],
    "scopeSeparator": ",",
    "clientAuth": "basic",
    "bodyFormat": "json",
    "pkce": True,
    "refreshable": False,
    "extraParams": {"prompt": "consent"},
    "clientId": "isthmus-app",
}


def made(told: dict[str, Any]) -> Provider:
    """The provider of a document, as the catalog holds it. Raises Invalid."""
    shelf = Providers({})
    shelf.put(told["provider"], 1, definitions.manifest_of(document.new_provider(told)))
    return shelf.shown(told["provider"])


def whole(provider: Provider) -> dict[str, Any]:
    """What its keepers are answered."""
    told = definitions.document_of(provider.manifest, provider.status, provider.audience)
    return answered(whole_of(provider, told))


def test_every_field_of_002_is_answered_as_it_was_sent() -> None:
    told = given.document("acme") | {"name": "Acme for sales", "authType": "oauth2", "oauthConfig": OAUTH}
    told["service"] = {"attach": [{"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}]}
    told |= {"isPremium": True, "requiredPlan": "pro", "requiresUserScoping": True, "supportsNotifications": True}
    answer = whole(made(told))
    told["entityMappings"] = [
        {**one, "fieldMappings": [{"transform": None, **field} for field in one["fieldMappings"]]}
        for one in told["entityMappings"]
    ]
    derived = {"capabilities", "availableEntities", "hosts", "service"}
    assert {name: answer[name] for name in told if name not in derived} == {
        name: value for name, value in told.items() if name not in derived
    }
    assert set(told["capabilities"]) <= set(answer["capabilities"])
    sent, seen = told["availableEntities"][0], answer["availableEntities"][0]
    assert {name: seen[name] for name in sent if name not in {"operations", "endpoint"}} == {
        name: value for name, value in sent.items() if name not in {"operations", "endpoint"}
    }
    assert seen["endpoint"]["path"] == "/people"
    assert seen["cursorField"] == "changed_since"


def test_tenants_see_the_public_part_of_a_consent_only() -> None:
    told = given.document("acme") | {"authType": "oauth2", "oauthConfig": OAUTH}
    told["service"] = {"attach": [{"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}]}
    seen = answered(detail_of(made(told)))  # type: ignore[arg-type] # any structure becomes its fields
    assert set(seen["oauthConfig"]) == {"scopes", "pkce", "refreshable"}
    assert "endpoint" not in seen["availableEntities"][0]


@pytest.mark.parametrize("declared", [True, False])
def test_what_keepers_read_can_be_sent_back_and_changes_nothing(declared: bool) -> None:
    providers = [made(given.document("acme"))] if declared else list(Providers(shipped())._shown.values())
    for provider in providers:
        seen = whole(provider)
        sent = document.ProviderPatch.model_validate(seen).model_dump(by_alias=True, exclude_unset=True)
        changed = {name: (sent[name], seen[name]) for name in sent if sent[name] != seen[name]}
        assert changed == {}, provider.id


def test_sixty_services_and_more_are_connected_by_facts_that_keep_the_rules_of_any_provider() -> None:
    shelf = [one for one in Providers(shipped())._shown.values() if one.listed and one.manifest.service is not None]
    assert len([one for one in shelf if one.category != "marketplace"]) >= 60
    kinds = Counter(kind for one in shelf for kind in (one.category, one.integration_type))
    wanted = "crm communication payment storage data_source email sms analytics support accounting"
    assert {name: kinds[name] for name in wanted.split() if kinds[name] < 3} == {}
    for provider in shelf:
        facts, told = provider.manifest, definitions.document_of(provider.manifest, provider.status, provider.audience)
        hosts = {"api", "consent", "token"} if facts.oauth is not None else {"api"}
        hosts -= {"consent"} if facts.trades_keys else set()
        assert provider.connectable, provider.id
        assert facts.hosts.keys() >= hosts, f"{provider.id}: where it is called and signed in to"
        assert facts.service is not None, provider.id
        assert facts.service.verify is not None, f"{provider.id}: the call that proves credentials"
        assert told.get("documentationUrl", "https://").startswith("https://"), provider.id
        # a copy of it that is made at run time is no worse
        assert made(told | {"provider": "copied"}).connectable, provider.id


def test_cursor_field_is_another_word_for_how_an_endpoint_asks_for_changes() -> None:
    told = given.document("acme")
    entity = told["availableEntities"][0]
    entity["endpoint"].pop("since")
    entity["cursorField"] = "updated_after"
    assert whole(made(told))["availableEntities"][0]["endpoint"]["since"] == "updated_after"
    entity["endpoint"]["since"] = "other"
    with pytest.raises(Invalid) as refused:
        made(told)
    assert refused.value.details["fields"][0]["path"] == "availableEntities.0.cursorField"


def test_a_second_way_to_sign_in_is_a_field_of_the_provider() -> None:
    told = given.document("acme") | {"authAlso": ["oauth2"], "oauthConfig": {**OAUTH, "clientId": ""}}
    answer = whole(made(told))
    assert (answer["authType"], answer["authAlso"]) == ("api_key", ["oauth2"])
    assert [(one["name"], one["required"]) for one in answer["appFields"]] == [
        ("client_id", False), ("client_secret", False),
    ], "keys work without an app"  # fmt: skip
    assert answer["document"]["authAlso"] == ["oauth2"]
    named = whole(made(told | {"oauthConfig": OAUTH}))
    assert [one["name"] for one in named["appFields"]] == ["client_secret"], "the document tells the app's id"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"authAlso": ["oauth2"]}, "oauthConfig"),
        ({"oauthConfig": OAUTH}, "oauthConfig"),
        ({"authType": "oauth2", "authAlso": ["oauth2"], "oauthConfig": OAUTH}, "authAlso"),
        ({"authType": "none", "authAlso": ["oauth2"], "oauthConfig": OAUTH}, "authAlso"),
        ({"authAlso": ["basic"]}, "authAlso.0"),
    ],
)
def test_a_second_way_that_does_not_go_with_the_rest_is_refused(change: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        made(given.document("acme") | change)
    assert path in {one["path"] for one in refused.value.details["fields"]}


def test_the_forms_fields_have_names_in_other_languages() -> None:
    field = {"name": "site", "label": "Site", "labels": {"vi": "Địa chỉ"}, "helps": {"vi": "Một phần."}}
    provider = made(given.document("acme") | {"settingsFields": [field]})
    seen = whole(provider)
    assert (seen["settingsFields"][0]["labels"], seen["settingsFields"][0]["helps"]) == (
        {"vi": "Địa chỉ"}, {"vi": "Một phần."},
    )  # fmt: skip
    assert "labels" not in seen["document"]["credentialFields"][0], "what is empty is left out of a file"
