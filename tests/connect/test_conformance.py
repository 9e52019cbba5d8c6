"""The suite notices: each planted fault breaks the promise it should, and a new folder keeps them all."""

import contextlib
import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from isthmus.client import ApiClient, ClientError, Failure, PlatformError, RefreshRefused, Request, Response, Tokens
from isthmus.connect import registry, scaffold
from isthmus.connect.conformance import (
    Real,
    broken,
    check_folder,
    check_live,
    play,
    pulling,
    signing_in,
)
from isthmus.connect.conformance.playing import Act
from isthmus.connect.conformance.stage import Play
from isthmus.connect.conformance.walls import forbidden_imports
from isthmus.connect.registry import Found
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import Account, App, RawRecord, RecordPage, Session, Window
from isthmus.kit.clock import Clock, ManualClock
from isthmus.kit.secret import Secret
from isthmus.sandbox import SandboxServer
from isthmus.sandbox.stage import SandboxStage

NAME = "proving_ground"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    home = tmp_path_factory.mktemp("connectors")
    scaffold.write(NAME, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(home))
        loaded = registry.load(home / NAME, NAME)
        importlib.import_module(f"{NAME}.sandbox")
    return loaded


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(found: Found) -> AsyncIterator[SandboxStage]:
    kind = importlib.import_module(f"{NAME}.sandbox").PLATFORM
    async with SandboxServer([NAME], products=130, clock=ManualClock(), kinds={NAME: kind}) as server:
        yield SandboxStage(server.shops[NAME])


def test_a_new_folder_passes_from_its_samples(found: Found) -> None:
    findings = check_folder(found)
    assert len(findings) > 10
    assert not [str(one) for one in broken(findings)]


def mutant(found: Found, **methods: Callable[..., Any]) -> Found:
    """The same folder with some behaviour replaced."""
    kind = type("Mutant", (type(found.connector),), methods)
    return replace(found, connector=kind(found.manifest))


def reads_a_file(self: Any, record: RawRecord, account: Account) -> Listing:
    Path(__file__).read_text()
    return Listing("1", "", "", "", ())  # type: ignore[arg-type] # never reached


def loses_its_temper(self: Any, record: RawRecord, account: Account) -> Listing:
    return Listing(**msgspec.json.decode(record.payload))


def takes_everything_for_success(self: Any, response: Response) -> None:
    return None


def shows_the_secret(self: Any, app: App, account: Account, request: Request, tokens: Tokens, now: Any) -> Request:
    return request.with_query({"secret": app.secret("client_secret")})


def forgets_the_state(self: Any, app: App, consent: Any, now: Any) -> str:
    return f"{app.hosts['consent']}/oauth/authorize?redirect_uri={consent.redirect_uri}"


def reads_any_callback(self: Any, query: Mapping[str, str], redirect_uri: str) -> Any:
    return query["code"]


FOLDER_MUTANTS: list[tuple[str, str, Callable[..., Any]]] = [
    ("map_listing", "samples_become_their_listings", reads_a_file),
    ("map_listing", "hostile_records_are_refused_in_words", loses_its_temper),
    ("classify", "answers_are_judged_as_documented", takes_everything_for_success),
    ("classify", "no_answer_upsets_the_judge", takes_everything_for_success),
    ("attach", "app_secrets_never_travel", shows_the_secret),
    ("attach", "requests_leave_as_documented", shows_the_secret),
    ("consent_url", "the_consent_link_is_bound", forgets_the_state),
]


@pytest.mark.parametrize(
    ("method", "check", "fault"), FOLDER_MUTANTS, ids=lambda value: getattr(value, "__name__", value)
)
def test_the_samples_notice(found: Found, method: str, check: str, fault: Callable[..., Any]) -> None:
    failed = {one.check for one in broken(check_folder(mutant(found, **{method: fault})))}
    assert check in failed


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("connector.py", "import socket"),
        ("connector.py", "from urllib.request import urlopen"),
        ("mapping.py", "from isthmus.engine import db"),
        ("connector.py", "from . import sandbox"),
        ("sandbox.py", "from . import mapping"),
        ("sandbox.py", "from .connector import CONNECTOR"),
    ],
)
def test_PL_02_an_import_beyond_the_contract_is_found(tmp_path: Path, file: str, line: str) -> None:
    scaffold.write("sly_market", tmp_path)
    folder = tmp_path / "sly_market"
    assert not list(forbidden_imports(folder))
    target = folder / file
    target.write_text(f"{target.read_text()}\n{line}\n")
    assert len(list(forbidden_imports(folder))) == 1


def test_the_audit_hook_is_silent_when_the_names_of_its_module_are_gone() -> None:
    """As they are while the interpreter ends, when files are still closed and opened."""
    ends = (
        "from isthmus.connect.conformance import walls\n"
        "with walls.wall():\n    pass\n"
        "for name in [one for one in vars(walls) if not one.startswith('__')]:\n    setattr(walls, name, None)\n"
        "open('/dev/null').close()\n"
    )
    done = subprocess.run([sys.executable, "-c", ends], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def pages_by_offset(self: Any, session: Session, window: Window, cursor: str | None) -> RecordPage:
    """What everybody writes first: offset paging over the whole list."""
    offset = int(cursor or 0)
    since = window.since.isoformat() if window.since else None
    query: dict[str, str | int | None] = {"offset": offset, "limit": 50, "updated_from": since}
    query["updated_to"] = window.until.isoformat()
    answer = await session.client.get(f"{session.app_hosts['api']}/v1/products", query=query)
    body = msgspec.json.decode(answer.content)
    records = [RawRecord(str(one["id"]), msgspec.json.encode(one)) for one in body["products"]]
    more = offset + len(records) < body["total"]
    return RecordPage(records, str(offset + 50) if more else None)


async def always_reads_everything(self: Any, session: Session, window: Window, cursor: str | None) -> RecordPage:
    return await pages_by_offset(self, session, Window(None, window.until), cursor)


async def refuses_on_any_failure(
    self: Any, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock
) -> Tokens:
    try:
        return await self._token(app, {"grant_type": "refresh_token"}, client, clock)  # type: ignore[no-any-return]
    except PlatformError as error:
        raise RefreshRefused(str(error)) from error


def calls_every_no_a_mistake(self: Any, response: Response) -> Failure | None:
    return None if response.ok else Failure(kind="caller")


async def calls_an_outage_the_end(self: Any, session: Session, window: Window, cursor: str | None) -> RecordPage:
    with contextlib.suppress(ClientError):
        await session.client.get(f"{session.app_hosts['api']}/v1/products")
    return RecordPage([], None)


def sends_it_bare(self: Any, app: App, account: Account, request: Request, tokens: Tokens, now: Any) -> Request:
    return request


STAGE_MUTANTS: list[tuple[str, Act, Callable[..., Any]]] = [
    ("pull_listings", pulling.rows_that_move_are_not_lost, pages_by_offset),
    ("pull_listings", pulling.turned_pages_are_not_lost, pages_by_offset),
    ("pull_listings", pulling.an_incremental_pull_brings_the_changes_alone, always_reads_everything),
    ("refresh", signing_in.an_outage_of_the_token_endpoint_is_no_refusal, refuses_on_any_failure),
    ("classify", signing_in.a_token_called_dead_is_replaced, calls_every_no_a_mistake),
    ("pull_listings", pulling.an_outage_ends_in_an_error, calls_an_outage_the_end),
    (
        "attach",
        signing_in.a_consent_gives_an_account_that_works,
        sends_it_bare,
    ),
]


@pytest.mark.parametrize(("method", "act", "fault"), STAGE_MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_stage_notices(
    found: Found, stage: SandboxStage, method: str, act: Act, fault: Callable[..., Any]
) -> None:
    finding = await play(act, mutant(found, **{method: fault}), stage)
    assert not finding.ok
    assert finding.detail


async def test_a_live_run_reads_and_says_so(found: Found, stage: SandboxStage) -> None:
    assert found.connector is not None
    granted = (await Play(found, found.connector, stage).connect())[0]
    real = Real(stage.app, granted.account, granted.tokens.access_token)
    findings = await check_live(found, real, stage.clock)
    assert not broken(findings)
    assert {one.evidence for one in findings} == {"live"}
    dead = Real(stage.app, granted.account, Secret("nonsense"))
    assert broken(await check_live(found, dead, stage.clock))
