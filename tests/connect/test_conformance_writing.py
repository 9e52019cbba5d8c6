"""The suite notices writers that break the contract: each planted fault breaks the promise it should."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.given.connectors import found

from isthmus.client import ClientError
from isthmus.connect.conformance import play, writing
from isthmus.connect.conformance.playing import Act
from isthmus.connect.spi import Account, Session
from isthmus.connect.writing import Edit, Outcome
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer
from isthmus.sandbox.stage import SandboxStage

NAME = "shopee"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[SandboxStage]:
    async with SandboxServer([NAME], products=40, clock=ManualClock()) as server:
        yield SandboxStage(server.shops[NAME])


async def sends_again_after_a_loss(self: Any, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
    try:
        return await self.honest(session, batch)  # type: ignore[no-any-return]
    except ClientError:
        return await self.honest(session, batch)  # type: ignore[no-any-return]


async def says_done_and_does_nothing(self: Any, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
    return [Outcome(one.key) for one in batch]


async def writes_another_value(self: Any, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
    changed = [replace(one, value=one.value + 1 if isinstance(one.value, int) else one.value) for one in batch]
    return await self.honest(session, changed)  # type: ignore[no-any-return]


async def believes_an_outage(self: Any, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
    try:
        return await self.honest(session, batch)  # type: ignore[no-any-return]
    except ClientError:
        return [Outcome(one.key) for one in batch]


def loses_an_edit(self: Any, edits: Sequence[Edit], account: Account) -> Sequence[Sequence[Edit]]:
    return [[one] for one in edits[1:]]


MUTANTS: list[tuple[str, Act, Callable[..., Any]]] = [
    ("write", writing.a_lost_answer_is_an_error_and_one_effect, sends_again_after_a_loss),
    ("write", writing.an_outage_is_not_answered_by_writing_again, sends_again_after_a_loss),
    ("write", writing.an_outage_is_not_answered_by_writing_again, believes_an_outage),
    ("write", writing.every_field_of_the_manifest_can_be_written, says_done_and_does_nothing),
    ("write", writing.every_field_of_the_manifest_can_be_written, writes_another_value),
    ("write", writing.what_is_not_there_is_refused, says_done_and_does_nothing),
    ("batches", writing.the_same_value_again_changes_nothing, loses_an_edit),
]


@pytest.mark.parametrize(("method", "act", "fault"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_stage_notices(stage: SandboxStage, method: str, act: Act, fault: Callable[..., Any]) -> None:
    folder = found(NAME)
    honest = type(folder.connector).write  # type: ignore[union-attr] # this one writes
    kind = type("Mutant", (type(folder.connector),), {method: fault, "honest": honest})
    finding = await play(act, replace(folder, connector=kind(folder.manifest)), stage)
    assert not finding.ok
    assert finding.detail


async def test_a_folder_that_only_reads_has_nothing_to_show(stage: SandboxStage) -> None:
    folder = found(NAME)
    facts = msgspec.structs.replace(folder.manifest, writing=None)
    reads = replace(folder, manifest=facts)
    assert all([(await play(act, reads, stage)).ok for act in writing.PLAYS])
