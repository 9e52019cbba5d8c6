"""Connectors that write, read orders and act on them play as well in a process of their own (PL-05)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio

from isthmus.connect.apart import Cells, Settings
from isthmus.connect.conformance import PLAYS, acting, broken, check_folder, ordering, play, writing
from isthmus.connect.conformance.playing import Act
from isthmus.connect.registry import Found, discover
from isthmus.connect.service import Attach, Service
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer
from isthmus.sandbox.stage import SandboxStage

#: One of ours whose credentials facts alone can attach.
NAME = "woocommerce"
SERVICE = Service(attach=(Attach("basic", "{consumer_key}:{consumer_secret}"),))
TWIN = (
    writing.every_field_of_the_manifest_can_be_written,
    writing.a_lost_answer_is_an_error_and_one_effect,
    ordering.every_order_is_read_once_with_its_money,
    acting.PLAYS[0],
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[tuple[Found, SandboxStage]]:
    own = discover()[NAME]
    manifest = msgspec.structs.replace(own.manifest, service=SERVICE)
    with Cells(Settings()) as cells:
        connector = cells.connector(manifest, own.folder, f"isthmus.connectors.{NAME}")
        async with SandboxServer([NAME], products=60, clock=ManualClock()) as server:
            yield replace(own, manifest=manifest, connector=connector), SandboxStage(server.shops[NAME])


async def test_PL_05_its_folder_keeps_its_promises_there(stage: tuple[Found, SandboxStage]) -> None:
    assert not [str(finding) for finding in broken(check_folder(stage[0]))]


@pytest.mark.parametrize(
    "act",
    [act if act in TWIN else pytest.param(act, marks=pytest.mark.proof) for act in PLAYS],
    ids=lambda act: act.__name__,
)
async def test_PL_05_it_plays_there_as_it_does_here(stage: tuple[Found, SandboxStage], act: Act) -> None:
    finding = await play(act, *stage)
    assert finding.ok, str(finding)
