"""Runs the plays of a connector on a stage, one after the other, each from a calm beginning."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from isthmus.client import ClientError, RefreshFailed, RefreshRefused
from isthmus.connect.conformance import acting, ordering, pulling, signing_in, writing
from isthmus.connect.conformance.report import Broken, Finding
from isthmus.connect.conformance.stage import Play, Stage
from isthmus.connect.registry import Found
from isthmus.connect.spi import ConsentDenied, Unmappable

Act: TypeAlias = Callable[[Play], Awaitable[None]]
PLAYS: tuple[Act, ...] = (*signing_in.PLAYS, *pulling.PLAYS, *ordering.PLAYS, *writing.PLAYS, *acting.PLAYS)


async def check_on(found: Found, stage: Stage) -> list[Finding]:
    """Every play of one connector. The stage is left calm, its shop edited."""
    return [await play(act, found, stage) for act in PLAYS]


async def play(act: Act, found: Found, stage: Stage) -> Finding:
    """One play; whatever the connector raises where it should not is a finding."""
    name = act.__name__
    if found.connector is None:
        return Finding(name, "emulated", True, "the folder holds facts only")
    player = Play(found, found.connector, stage)
    if act in signing_in.CONSENTED and not player.consented:
        return Finding(name, "emulated", True, "there is no consent: merchants enter keys")
    if act in writing.PLAYS and player.manifest.writing is None:
        return Finding(name, "emulated", True, "it writes no listings")
    if act in acting.PLAYS and player.manifest.acting is None:
        return Finding(name, "emulated", True, "it acts on no orders")
    stage.calm()
    try:
        await act(player)
    except Broken as error:
        return Finding(name, "emulated", False, str(error))
    except (ClientError, RefreshFailed, RefreshRefused, ConsentDenied, Unmappable, ValueError, KeyError) as error:
        return Finding(name, "emulated", False, f"{type(error).__name__}: {error}")
    finally:
        stage.calm()
    return Finding(name, "emulated", True)
