"""Orders out as a file and in again: nothing is lost, nothing is doubled, and persons only for those who may."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from tests.given import keys
from tests.given import orders as till
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import orders
from isthmus.features.orders import OrderFilter, Settings
from isthmus.features.orders.service import Export, exported
from isthmus.features.uploads import State, Upload, UploadMode
from isthmus.features.vault import Vault
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

Form = Literal["csv", "ndjson"]


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    made = given.scope(database, tmp_path)
    parts = {**made.engine.parts, Vault: Vault(keys.ring("first")), Settings: Settings()}
    yield replace(made, engine=replace(made.engine, parts=parts))
    await till.clear(copied)


async def _file(scope: Scope, form: Form, *, personal: bool = True) -> bytes:
    return b"".join([piece async for piece in exported(scope, Export(form, OrderFilter(), personal))])


async def _taken(scope: Scope, file: bytes, form: Form, **wish: Any) -> Upload:
    return await given.taken(scope, file, f"orders.{form}", **wish)


async def _numbers(scope: Scope) -> dict[str, tuple[str, int]]:
    page = await orders.orders(scope, OrderFilter(connection_id="own"), Ask(100))
    return {row["external_id"]: (row["status"], row["version"]) for row in page.items}


async def _three(scope: Scope) -> None:
    two = (till.line("l1", quantity=2), till.line("l2", "3.50"))
    await till.write(scope, till.order("o1", *two), till.order("o2", number="=1+1", shipments=(till.shipment(),)))
    await till.write(scope, till.order("o3", customer=None, shipping_address=None))


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_of_orders_is_read_back_without_a_difference(scope: Scope, form: Form) -> None:
    await _three(scope)
    file = await _file(scope, form)
    upload = await _taken(scope, file, form)
    assert (upload.state, upload.format, given.counts(upload)) == (State.SUCCEEDED, "isthmus-orders", (3, 0, 0, 0))
    again = await _taken(scope, file, form)
    assert given.counts(again) == (0, 0, 3, 0)
    own = b"".join([piece async for piece in exported(scope, Export(form, OrderFilter(connection_id="own"), True))])
    assert sorted(own.splitlines()) == sorted(file.splitlines())


async def test_a_changed_row_changes_its_order_and_a_bad_one_is_named(scope: Scope) -> None:
    await _three(scope)
    file = await _file(scope, "csv")
    await _taken(scope, file, "csv")
    changed = file.replace(b'"ready_to_fulfil"', b'"shipped"', 1).replace(b'"VND"', b'"DONG"', 3)
    upload = await _taken(scope, changed, "csv")
    found = await _numbers(scope)
    assert upload.failed > 0
    assert given.counts(upload)[0] == 0
    assert {len(one) for one in found.values()} == {2}
    assert (await given.wrong(scope, upload))[0]["reason"]
    fine = await _taken(scope, file.replace(b'"=1+1"', b'"1002"').replace(b'"\'=1+1"', b'"1002"'), "csv")
    assert given.counts(fine) == (0, 1, 2, 0)


async def test_all_or_nothing_and_checks_hold_for_orders_too(scope: Scope) -> None:
    await _three(scope)
    file = await _file(scope, "ndjson") + b'{"external_id": "o9", "lines": 5}\n'
    whole = await _taken(scope, file, "ndjson", mode=UploadMode.ALL_OR_NOTHING)
    assert (whole.state, await _numbers(scope)) == (State.FAILED, {})
    check = await _taken(scope, file, "ndjson", mode=UploadMode.CHECK)
    assert (given.counts(check), await _numbers(scope)) == ((3, 0, 0, 1), {})


async def test_without_the_permission_no_person_is_in_the_file(scope: Scope) -> None:
    await _three(scope)
    for form in ("csv", "ndjson"):
        file = await _file(scope, form, personal=False)
        assert b"Demo" not in file
        assert b"0900000012" not in file
        assert b"o3" in file


async def test_a_list_of_orders_is_refused_with_the_way_out(scope: Scope) -> None:
    await _three(scope)
    lines = (await _file(scope, "ndjson")).splitlines()
    upload = await _taken(scope, b"[" + b",".join(lines) + b"]", "ndjson")
    assert upload.state is State.FAILED
    assert "one JSON document a line" in (upload.error_message or "")
