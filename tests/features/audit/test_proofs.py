"""One entry is proved without the database, and what is no proof is none (security.md AU-04)."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.given import vault as given
from typer.testing import CliRunner

from isthmus.cli import audit as commands
from isthmus.engine.db import Database
from isthmus.features import audit, vault
from isthmus.features.audit.service.signing import reseal
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid
from isthmus.kit.events import Event
from isthmus.kit.paging import Ask
from isthmus.scope import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Event):
    type: ClassVar[str] = "thing.renamed"


@pytest.fixture(scope="module")
async def system(database: Database) -> System:
    reseals = vault.Reseals({"audit.signing_keys": reseal})
    parts: dict[type, object] = {audit.Settings: audit.Settings()}
    made = given.process(database, clock=ManualClock(), parts=parts, reseals=reseals)
    await vault.check_canary(made)
    for number in range(9):
        async with given.scope(made, "ten_a").tx() as tx:
            after = {"name": "b", "api_key": "shown to nobody"} if number == 3 else {"name": "b"}
            tx.emit(Renamed(subject=f"thg_{number}", after=after))
    await audit.seal(made)
    return made


async def _proof(system: System, subject: str) -> audit.Proof:
    scope = given.scope(system, "ten_a")
    (found,) = (await audit.entries(scope, Ask(), audit.Filters(subject=subject))).items
    return await audit.prove(scope, found.id)


async def test_AU_04_an_entry_is_proved_by_few_hashes_that_lead_to_a_signed_checkpoint(system: System) -> None:
    proof = await _proof(system, "thg_5")
    told = json.loads(json.dumps(audit.told(proof)))
    read = audit.read_proof(told)
    assert audit.fault_of(read) is None
    assert len(read.steps) <= 5
    assert read.head == await audit.head(system)
    assert "thg_5" in told["entry"]
    assert audit.fault_of(read, (await audit.public_keys(system))[read.key_id]) is None
    assert audit.fault_of(read, bytes(32)) is not None


async def test_AU_06_a_proof_shows_nothing_that_the_log_hides(system: System) -> None:
    proof = await _proof(system, "thg_3")
    assert proof.entry is None
    assert audit.fault_of(proof) is None
    assert "shown to nobody" not in json.dumps(audit.told(proof))


def _change(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda told: told.__setitem__(name, value)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(entry=told["entry"].replace("thg_5", "thg_6")),
        lambda told: told.update(index=told["index"] + 1),
        lambda told: told["steps"].pop(),
        lambda told: told["steps"].append("00" * 32),
        lambda told: told["steps"].reverse(),
        lambda told: told["checkpoint"].__setitem__(1, 99),
        lambda told: told["checkpoint"].__setitem__(5, told["checkpoint"][5] * 2),
        lambda told: told["checkpoint"].__setitem__(6, "00" * 32),
        _change("signature", "00" * 64),
        _change("publicKey", "11" * 32),
        _change("publicKey", "11"),
        _change("leaf", "00" * 32),
    ],
)
async def test_AU_04_a_proof_that_was_touched_proves_nothing(
    system: System, change: Callable[[dict[str, Any]], None]
) -> None:
    told = copy.deepcopy(audit.told(await _proof(system, "thg_5")))
    change(told)
    assert audit.fault_of(audit.read_proof(told)) is not None


@pytest.mark.parametrize("wrong", [None, [], {}, {"entryId": "x"}, "proof"])
def test_what_is_no_proof_is_said_to_be_none(wrong: object) -> None:
    with pytest.raises(Invalid):
        audit.read_proof(wrong)


async def test_what_is_not_there_or_not_sealed_is_not_proved(system: System) -> None:
    with pytest.raises(audit.EntryNotFound):
        await audit.prove(given.scope(system, "ten_b"), (await _proof(system, "thg_1")).entry_id)
    async with given.scope(system, "ten_a").tx() as tx:
        tx.emit(Renamed(subject="thg_new"))
    with pytest.raises(audit.NotSealed):
        await _proof(system, "thg_new")
    await audit.seal(system)
    assert audit.fault_of(await _proof(system, "thg_new")) is None


async def test_AU_04_a_proof_is_checked_on_any_machine_without_a_database(system: System, tmp_path: Path) -> None:
    proof = await _proof(system, "thg_5")
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(audit.told(proof)))
    run = CliRunner()

    def check(*more: str) -> tuple[int, str]:
        result = run.invoke(commands.audit, ["verify", "--proof", str(file), *more])
        return result.exit_code, result.output

    assert check() == (0, check()[1])
    assert str(proof.head) in check()[1]
    assert check("--key", proof.public.hex(), "--head", str(proof.head))[0] == 0
    assert check("--key", "00" * 32)[0] == 1
    assert check("--head", f"1:{'00' * 32}")[0] == 1
    file.write_text(json.dumps({**audit.told(proof), "entry": "[]"}))
    code, said = check()
    assert (code, "not the one that was sealed" in said) == (1, True)
