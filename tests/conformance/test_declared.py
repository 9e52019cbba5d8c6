"""Every provider without code of its own: what its folder says suffices to connect it, and its icon does nothing."""

import re
from base64 import b64decode
from datetime import UTC, datetime

import msgspec
import pytest
from multidict import CIMultiDict

from isthmus.client import Request, Tokens
from isthmus.client.url import parse
from isthmus.connect import declarative
from isthmus.connect.registry import Found, discover
from isthmus.connect.service import names_in
from isthmus.connect.spi import Account, App, Consent
from isthmus.features.catalog.model import definitions, document
from isthmus.kit.secret import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FOUND = discover()
DECLARED = {name: found for name, found in FOUND.items() if found.declared}
CONSENTED = [name for name, found in DECLARED.items() if found.manifest.auth == "oauth2"]
PROVED = [name for name, found in DECLARED.items() if found.manifest.service and found.manifest.service.verify]
_ACTIVE = re.compile(r"<script|on\w+=|href|url\(|<!|<\?", re.IGNORECASE)
_PARTS = {"instance_url": "https://part.example"}


@pytest.fixture(params=DECLARED)
def found(request: pytest.FixtureRequest) -> Found:
    return DECLARED[request.param]


def app(found: Found) -> App:
    """An app and an account whose secrets can be recognised."""
    manifest = found.manifest
    fields = [*manifest.app_fields, *manifest.credential_fields]
    parts = {one.name: _PARTS.get(one.name, "part") for one in manifest.variables}
    values = {field.name: parts.get(field.name, f"canary-{field.name}") for field in fields}
    return App({name: Secret(value) for name, value in values.items()}, declarative.fill(manifest.hosts, parts))


def test_the_catalog_holds_at_least_sixty_that_merchants_can_connect() -> None:
    offered = [one.manifest for one in DECLARED.values() if one.manifest.audience == "tenant"]
    assert len(offered) >= 60
    assert {one.status for one in offered} == {"active"}
    kinds = {one.integration_type for one in offered} | {one.category for one in offered}
    assert kinds >= {
        "crm",
        "communication",
        "payment",
        "storage",
        "data_source",
        "email",
        "sms",
        "support",
        "accounting",
    }


def test_what_cannot_be_connected_is_not_offered() -> None:
    hidden = [one.manifest for one in FOUND.values() if one.connector is None]
    assert {one.audience for one in hidden if one.status == "active"} <= {"system"}


def test_its_facts_go_together_and_survive_the_way_out_and_back(found: Found) -> None:
    manifest = found.manifest
    told = definitions.document_of(manifest, manifest.status, manifest.audience)
    back = definitions.manifest_of(document.new_provider(told))
    same = msgspec.structs.replace(manifest, capabilities=back.capabilities)
    assert msgspec.to_builtins(back) == msgspec.to_builtins(same)


def test_what_merchants_can_connect_has_a_call_that_proves_its_credentials() -> None:
    assert set(PROVED) >= {name for name, one in DECLARED.items() if one.manifest.audience == "tenant"}


@pytest.mark.parametrize("found", PROVED, indirect=True)
def test_its_verification_call_goes_to_one_of_its_hosts_and_bears_the_credentials(found: Found) -> None:
    service, made = found.manifest.service, app(found)
    assert service is not None
    assert service.verify is not None
    address = parse(made.hosts[service.verify.host] + service.verify.path)
    assert address.scheme == "https"
    request = Request(service.verify.method, address, CIMultiDict())
    connector = found.connector
    assert connector is not None
    signed = connector.attach(made, Account("1"), request, Tokens(Secret("canary-access")), NOW)
    sent = " ".join(signed.headers.values()) + _basic(signed) + str(signed.url)
    assert "canary-" in sent
    assert "{" not in sent
    by_query = any(one.place == "query" for one in service.attach)
    assert by_query or "canary-" not in str(signed.url)


def _basic(signed: Request) -> str:
    given = signed.headers.get("Authorization", "")
    return b64decode(given.removeprefix("Basic ")).decode() if given.startswith("Basic ") else ""


@pytest.mark.parametrize("name", CONSENTED)
def test_its_consent_link_names_app_state_and_return_and_no_secret(name: str) -> None:
    found = DECLARED[name]
    connector, made = found.connector, app(found)
    assert connector is not None
    link = connector.consent_url(made, Consent("https://here.example/back", "the-state", "the-challenge"), NOW)
    query = dict(parse(link).pairs())
    assert (query["client_id"], query["state"], query["response_type"]) == ("canary-client_id", "the-state", "code")
    assert query["redirect_uri"] == "https://here.example/back"
    assert "client_secret" not in link


def test_every_secret_field_is_marked(found: Found) -> None:
    fields = [*found.manifest.app_fields, *found.manifest.credential_fields]
    assert any(field.secret for field in fields)
    in_addresses = {name for address in found.manifest.hosts.values() for name in names_in(address)}
    assert not [field.name for field in fields if field.secret and field.name in in_addresses]


@pytest.mark.parametrize("name", FOUND)
def test_its_icon_is_a_small_mark_that_does_nothing(name: str) -> None:
    icon = (FOUND[name].folder / "icon.svg").read_text("utf-8")
    assert icon.startswith("<svg")
    assert len(icon) < 20_000
    assert not _ACTIVE.search(icon.replace('xmlns="http://www.w3.org/2000/svg"', ""))
