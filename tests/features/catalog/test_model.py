"""Search that forgives, overrides that stay in bounds, and credentials that keep to their hosts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given as each
from hypothesis import strategies as st
from tests.given import catalog as given

from isthmus.features.catalog.model import apps, hosts, providers, search
from isthmus.features.catalog.model.apps import StoredApp
from isthmus.features.catalog.model.providers import Override, Provider
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def shown(name: str, **changes: object) -> Provider:
    return providers.of_manifest(given.manifest(name, **changes), connectable=True, since=NOW)


SHELF = [
    shown("shopee", names={"en": "Shopee", "vi": "Sàn Shopee"}),
    shown("lazada"),
    shown("tiki", names={"en": "Tiki"}, description="Sàn thương mại điện tử Việt Nam"),
    shown("hubspot", category="crm", description="Contacts and deals of a marketing team."),
    shown("momo", names={"en": "MoMo", "vi": "Ví điện tử MoMo"}, category="payment"),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("shopee", ["shopee"]),
        ("sopee", ["shopee"]),
        ("Shoppe", ["shopee"]),
        ("lazda", ["lazada"]),
        ("LAZADDA", ["lazada"]),
        ("tkii", ["tiki"]),
        ("hubsp", ["hubspot"]),
        ("hupsp", ["hubspot"]),
        ("ví dien tu", ["momo", "tiki"]),
        ("vi momo", ["momo"]),
        ("san tiki", ["tiki"]),
        ("deals", ["hubspot"]),
        ("payment", ["momo"]),
        ("xyzzy", []),
        ("tiki xyzzy", []),
        ("!!!", []),
        ("hub spot", ["hubspot"]),
        ("sho pe", ["shopee"]),
        ("mo mo", ["momo"]),
        ("vímomo", ["momo"]),
    ],
)
def test_search_finds_what_was_meant(query: str, found: list[str]) -> None:
    assert [one.id for one in search.find(SHELF, query)] == found


def test_the_nearest_name_comes_first() -> None:
    assert search.find([shown("shop"), shown("shopee")], "shopee")[0].id == "shopee"


@each(st.text(max_size=300))
def test_no_query_breaks_the_search(query: str) -> None:
    assert len(search.find(SHELF, query)) <= len(SHELF)


def test_an_override_changes_single_facts_and_says_so() -> None:
    row = Override("tiki", "beta", None, {"color": "#1a94ff", "gone_in_this_release": 1}, 3, NOW)
    found = providers.overlay(SHELF[2], row)
    assert (found.status, found.color, found.audience) == ("beta", "#1a94ff", "tenant")
    assert (found.version, found.overridden, found.listed) == (3, ("color", "status"), False)


@pytest.mark.parametrize(
    "fields", [{"id": "x"}, {"hosts": {}}, {"color": 3}, {"premium": "yes"}, {"color": "x" * 3000}]
)
def test_MA_01_an_override_takes_only_its_own_fields(fields: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        providers.read_override(fields)


def test_abilities_follow_from_what_can_be_done_with_entities() -> None:
    entity = {"name": "order", "display_name": "Orders", "shard_type": "order"}
    assert shown("a").sync_directions == ["pull"]
    both = shown("a", entities=[entity | {"operations": ["list", "update", "search"]}])
    assert both.sync_directions == ["pull", "push", "bidirectional"]
    assert (both.searchable, both.capabilities) == (["order"], ["list", "search", "update"])


@pytest.mark.parametrize(
    "address",
    [
        "http://api.example.com",
        "https://user:pw@api.example.com",
        "https://",
        "ftp://api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://api.example.com:0",
        "https://api.example.com:99999",
        "https://api.exa mple.com",
        "https://api.example.com\\@evil.example",
        "https://ápi.example.com",
        "http://127.0.0.1.evil.example",
    ],
)
def test_VA_01_a_host_that_could_lead_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(Invalid):
        hosts.read_hosts(given.HOSTS, {"api": address})


def test_a_host_that_the_provider_does_not_have_is_refused() -> None:
    with pytest.raises(Invalid):
        hosts.read_hosts(given.HOSTS, {"cdn": "https://cdn.example.com"})


def test_loopback_may_do_without_tls() -> None:
    own = {"api": "http://127.0.0.1:8081/", "auth": "http://localhost:8082"}
    assert hosts.read_hosts(given.HOSTS, own) == {"api": "http://127.0.0.1:8081", "auth": "http://localhost:8082"}


@each(
    st.dictionaries(st.text(max_size=4), st.text(max_size=4)), st.dictionaries(st.text(max_size=4), st.text(max_size=4))
)
def test_VA_01_other_hosts_always_give_another_binding(one: dict[str, str], other: dict[str, str]) -> None:
    assert (hosts.binding(one) == hosts.binding(other)) == (one == other)


KNOWN = {"partner_id": Secret("1"), "partner_key": Secret("k")}


def stored(own: dict[str, str] | None = None) -> StoredApp:
    manifest = given.manifest("shopee")
    bound = hosts.binding(hosts.effective(manifest.hosts, own or {}))
    return StoredApp("reg_1", "ten_platform", "shopee", "platform", b"sealed", own or {}, bound, "/c", 1, NOW)


def test_credentials_given_in_part_are_laid_over_the_stored_ones() -> None:
    decided = apps.change(given.manifest("shopee"), stored(), KNOWN, {"partner_key": Secret("new")}, None)
    assert decided.credentials == KNOWN | {"partner_key": Secret("new")}
    assert not decided.cleared


@pytest.mark.parametrize("name", ["api", "auth"])
def test_VA_01_a_changed_host_clears_every_credential(name: str) -> None:
    decided = apps.change(given.manifest("shopee"), stored(), KNOWN, None, {name: "https://evil.example"})
    assert decided.credentials is None
    assert decided.cleared


def test_VA_01_a_changed_host_with_all_credentials_anew_is_taken() -> None:
    decided = apps.change(given.manifest("shopee"), stored(), KNOWN, KNOWN, {"api": "https://other.example"})
    assert decided.credentials == KNOWN
    assert not decided.cleared


def test_VA_01_a_changed_host_takes_no_old_credential_along_with_a_new_one() -> None:
    with pytest.raises(Invalid) as caught:
        apps.change(
            given.manifest("shopee"), stored(), KNOWN, {"partner_id": Secret("1")}, {"api": "https://x.example"}
        )
    assert [field["path"] for field in caught.value.details["fields"]] == ["credentials.partner_key"]


def test_VA_01_a_new_release_with_other_hosts_needs_the_credentials_again() -> None:
    moved = given.manifest("shopee", hosts=given.HOSTS | {"api": "https://api2.example.com"})
    assert stored().usable(given.manifest("shopee"))
    assert not stored().usable(moved)
    own = {"api": "https://mine.example"}
    assert stored(own).usable(moved), "the operator's own host stands in its place"


def test_the_same_hosts_said_anew_clear_nothing() -> None:
    decided = apps.change(given.manifest("shopee"), stored(), KNOWN, None, {"api": given.HOSTS["api"] + "/"})
    assert decided.credentials == KNOWN


@pytest.mark.parametrize(
    "wrong",
    [{"partner_id": "abc"}, {"partner_key": ""}, {"partner_key": " k"}, {"unknown": "x"}, {"partner_key": "a\nb"}],
)
def test_LO_02_a_wrong_credential_is_named_and_never_shown(wrong: dict[str, str]) -> None:
    secrets = {name: Secret(value) for name, value in wrong.items()}
    with pytest.raises(Invalid) as caught:
        apps.change(given.manifest("shopee"), None, {}, KNOWN | secrets, None)
    said = str(caught.value.details)
    assert all(f"credentials.{name}" in said for name in wrong)
    assert all(not value.strip() or value not in said for value in ("abc", "a\nb"))
