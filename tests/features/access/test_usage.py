"""`/api/tenant/usage`: what a tenant may have, and how much of it is used (security.md RL-05)."""

import pytest
from tests.given import access as given
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.feature import Cap
from isthmus.features import access
from isthmus.features.access.feature import FEATURE
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, USER
from isthmus.scope import Scope, System, Tx

PATH = "/api/tenant/usage"


async def _many(_: Scope, tx: Tx) -> int:
    rows = await tx.fetch_sql("select count(*) as n from tenants where id = $1", tx.tenant_id)
    return int(rows[0]["n"])


async def _apart(scope: Scope) -> int:
    return 3 if scope.tenant_id.startswith("ten_") else 0


CAPS = (
    *FEATURE.caps,
    Cap(name="a.things", counts="Things.", unit="things", refusal="TOO_MANY", limit=lambda _: 4, used_apart=_apart,
        within="process"),
    Cap(name="b.free", counts="Whatever.", unit="rows", refusal="NONE", limit=lambda _: 0, used=_many),
)  # fmt: skip


@pytest.fixture(scope="module")
def system(database: Database) -> System:
    made = given.process(database, ManualClock(), access.Settings(keys_per_tenant=2))
    parts = made.engine.parts
    assert isinstance(parts, dict)
    parts[access.Usage] = access.Usage(CAPS)
    return made


@pytest.fixture(scope="module")
def edge(system: System) -> Edge:
    return Edge(system, *FEATURE.routes)


async def test_RL_05_every_cap_is_shown_with_its_limit_and_what_is_used_of_it(system: System, edge: Edge) -> None:
    shop = await given.tenant(system, "Used")
    shown = (await edge.get(PATH, tenant=shop.tenant_id)).json()["items"]
    assert [one["name"] for one in shown] == ["a.things", "access.keys_per_tenant", "b.free"]
    assert shown[0] == {
        "name": "a.things", "counts": "Things.", "unit": "things", "period": "now", "within": "process", "limit": 4,
        "used": 3, "share": 0.75, "refusal": "TOO_MANY", "setting": "ISTHMUS_A__THINGS",
    }  # fmt: skip
    assert (shown[1]["used"], shown[1]["limit"], shown[1]["share"]) == (0, 2, 0.0)
    assert (shown[2]["used"], shown[2]["limit"], shown[2]["share"]) == (1, None, None)


async def test_SA_01_operators_see_the_numbers_of_a_tenant_and_its_people_see_no_other_one_s(
    system: System, edge: Edge
) -> None:
    shop = await given.tenant(system, "Watched")
    mine = (await edge.get(PATH, tenant=shop.tenant_id)).json()
    path = f"/api/admin/tenants/{shop.tenant_id}/usage"
    theirs = await edge.get(path, tenant=PLATFORM_TENANT, role=SUPER_ADMIN)
    assert (theirs.status_code, theirs.json()) == (200, mine)
    for where, tenant, role, status in (
        ("/api/admin/tenants/ten_nowhere/usage", PLATFORM_TENANT, SUPER_ADMIN, 404),
        (path, shop.tenant_id, "tenant_admin", 403),
        (PATH, shop.tenant_id, USER, 403),
    ):
        assert (await edge.get(where, tenant=tenant, role=role)).status_code == status
