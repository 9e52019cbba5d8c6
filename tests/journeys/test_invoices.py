"""The invoices of a real shop, read as the orders of a marketplace: they agree to the cent."""

from collections import Counter
from decimal import Decimal

import pytest
from tests.beside import SHARED
from tests.given import invoices
from tests.journeys.deployment import Deployment

from isthmus.kit.clock import SYSTEM

_FILE = SHARED / "data" / "online_retail_12k_orders.csv"


async def _counted(running: Deployment, connection: str) -> dict[invoices.Cell, tuple[int, Decimal]]:
    async with running.platform.system.tx() as tx:
        rows = await tx.fetch_sql(
            """select country, to_char(placed_at at time zone 'UTC', 'YYYY-MM') as month, status = 'cancelled' as back,
                 count(*) as orders, sum(grand_total) as total, count(money_gap) as gaps
               from orders where connection_id = $1 and currency = 'GBP' group by 1, 2, 3""",
            connection,
        )
    assert sum(row["gaps"] for row in rows) == 0
    return {(row["country"], row["month"], row["back"]): (row["orders"], row["total"]) for row in rows}


async def _synced(running: Deployment, most: int | None) -> Counter[bool]:
    found = invoices.invoices(_FILE, SYSTEM.now(), most)
    amy, connection = await running.owner("shopee")
    invoices.place(running.sandbox.shops["shopee"].book(), found)
    begun = await amy.call("POST", "/api/sync/orders", {"connectionId": connection, "mode": "full"})
    run = await amy.finished(begun.body["id"], 500)
    assert (run["state"], run["failed"]) == ("succeeded", 0), run
    assert run["records"] == running.sandbox.shops["shopee"].book().size
    assert await _counted(running, connection) == invoices.expected(found)
    return Counter(one.cancelled for one in found)


@pytest.mark.shared
@pytest.mark.timeout(600)
async def test_the_invoices_of_a_real_shop_agree_by_country_and_month(running: Deployment) -> None:
    """500 invoices of 16 countries; 19 of them are corrections of the stock and sell nothing."""
    kinds = await _synced(running, 500)
    assert (kinds[False], kinds[True]) == (408, 73)


@pytest.mark.shared
@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_all_invoices_of_a_real_shop_agree_by_country_and_month(running: Deployment) -> None:
    """12,000 invoices; 1,225 are corrections of the stock, one a cancellation of nothing, one a debt written off."""
    kinds = await _synced(running, None)
    assert (kinds[False], kinds[True]) == (8_811, 1_962)
