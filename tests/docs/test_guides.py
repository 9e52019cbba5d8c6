"""The guides say what is so: their snippets run, their commands exist, and their links lead somewhere."""

import ast
import inspect
import re
import shlex
import types
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import typer
from bench.__main__ import names as benchmarks
from tests.journeys.deployment import KEY, Deployment, deployment

from isthmus.cli import build
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN
from isthmus.sandbox import KINDS

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w+)?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_INLINE = re.compile(r"`(isthmus [a-z][^`]*)`")


def pages() -> list[Path]:
    """Every Markdown page of ours."""
    folders = [ROOT / "docs", ROOT / "bench", ROOT / "changes", ROOT / "src"]
    found = [path for folder in folders for path in folder.rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *found])


def blocks(page: Path, language: str, mark: str = "") -> Iterator[str]:
    """The fenced blocks of one language, those with a mark only where one is given."""
    for kind, marks, text in _FENCE.findall(page.read_text("utf-8")):
        if kind == language and (not mark or mark in marks.split()):
            yield text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    async with deployment(database_url, tmp_path_factory.mktemp("home")) as made:
        yield made


async def execute(page: Path, **known: object) -> dict[str, Any]:
    """Run the runnable blocks of a page one after the other, with `await` at the top as in `python -m asyncio`.

    Answers the names that they made.
    """
    module = types.ModuleType("guide")
    vars(module).update(known)
    for text in blocks(page, "python", "runnable"):
        code = compile(text, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        ended = types.FunctionType(code, vars(module))()
        if inspect.isawaitable(ended):
            await ended
    return vars(module)


async def test_the_walk_through_the_api_runs_as_it_is_printed(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = await running.merchant("Amy reads the guide")
    monkeypatch.setenv("API", running.address)
    monkeypatch.setenv("TOKEN", amy.token)
    await execute(ROOT / "docs/guides/connect-a-shop.md")


async def test_a_token_that_an_application_signs_itself_is_let_in(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = await running.merchant("Amy signs her own")
    for name, value in {"API": running.address, "KEY": KEY, "TENANT": amy.tenant_id}.items():
        monkeypatch.setenv(name, value)
    await execute(ROOT / "docs/guides/operate.md")


async def test_a_provider_is_made_changed_and_carried_as_the_guide_says(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "reader")
    monkeypatch.setenv("API", running.address)
    monkeypatch.setenv("TOKEN", operator.token)
    await execute(ROOT / "docs/guides/add-a-provider.md")


async def test_the_guide_of_people_and_keys_runs_as_it_is_printed(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amy = await running.merchant("Amy invites Bob")
    monkeypatch.setenv("API", running.address)
    monkeypatch.setenv("TOKEN", amy.token)
    await execute(ROOT / "docs/guides/people-and-keys.md")
    assert "Stock server" in capsys.readouterr().out


async def test_the_guide_of_search_runs_as_it_is_printed(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amy, connection = await running.owner("tiki")
    await amy.sync(connection)
    monkeypatch.setenv("API", running.address)
    monkeypatch.setenv("TOKEN", amy.token)
    await execute(ROOT / "docs/guides/search-and-proxy.md")
    assert "connected" in capsys.readouterr().out


async def test_the_guide_of_several_shops_runs_as_it_is_printed(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amy, connection = await running.owner("tiki")
    await amy.sync(connection)
    monkeypatch.setenv("API", running.address)
    monkeypatch.setenv("TOKEN", amy.token)
    await execute(ROOT / "docs/guides/sell-in-several-shops.md")
    assert "price done" in capsys.readouterr().out


async def test_the_guide_of_inbound_webhooks_runs_as_it_is_printed(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amy = await running.merchant("Amy reads what is pushed")
    monkeypatch.setenv("API", running.address)
    monkeypatch.setenv("TOKEN", amy.token)
    await execute(ROOT / "docs/guides/receive-webhooks.md")
    assert "verified" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sandboxes.md", "write-a-connector.md"])
async def test_the_other_guides_run_as_they_are_printed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    await execute(ROOT / "docs/guides" / name)


def commands(page: Path) -> list[str]:
    """Every `isthmus ...` that a page names, in blocks and in sentences."""
    text = page.read_text("utf-8")
    lines = [
        line for kind in ("bash", "console", "sh", "") for block in blocks(page, kind) for line in block.splitlines()
    ]
    return [*lines, *_INLINE.findall(_FENCE.sub("", text))]


def spoken(line: str) -> list[list[str]]:
    """The `isthmus` commands of a shell line, as words."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    starts = [place for place, word in enumerate(words) if word == "isthmus"]
    if not starts:
        return []
    ends = [place for place, word in enumerate(words) if word in ("|", "&&", "&", ";", ">", ">>")] + [len(words)]
    return [words[start + 1 : next(end for end in ends if end > start)] for start in starts]


@cache
def program() -> Any:
    """The commands that exist."""
    return typer.main.get_command(build())


def wrong(words: list[str]) -> str | None:
    """What is wrong with a command, judged by the commands that exist; None when nothing is."""
    command = program()
    rest = list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0) if rest and not rest[0].startswith("-") else None
        if name is None:
            return None
        if name not in command.commands:
            return f"there is no command {name!r}"
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    unknown = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in options]
    return f"there is no option {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = [words for line in commands(page) for words in spoken(line)]
    assert [(words, why) for words in named if (why := wrong(words))] == []


def test_a_command_that_does_not_exist_would_be_seen() -> None:
    assert wrong(["sandbocks"])
    assert wrong(["sandbox", "--prot", "1"])
    assert wrong(["sandbox", "tiki", "--port", "1"]) is None


@cache
def anchors(page: Path) -> set[str]:
    """The places of a page that a link may name, as forges make them of headings."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(text)}


def broken(page: Path) -> Iterator[str]:
    for target in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        found = (page.parent / place).resolve() if place else page
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
            yield target


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_the_page_of_sandboxes_names_every_fault() -> None:
    text = (ROOT / "docs/guides/sandboxes.md").read_text("utf-8")
    assert [kind for kind, does in KINDS.items() if f"| `{kind}` | {does} |" not in text] == []


def test_the_table_of_figures_names_every_benchmark_and_no_other() -> None:
    named = re.findall(r"^\| `(\w+)` \|", (ROOT / "bench/README.md").read_text("utf-8"), re.MULTILINE)
    assert set(named) == set(benchmarks())


def test_every_promise_names_tests_that_carry_its_id() -> None:
    rows = re.findall(r"^\| ([A-Z\d, -]+) \|(.*)\|$", (ROOT / "docs/promises.md").read_text("utf-8"), re.MULTILINE)
    assert rows
    for ids, row in rows:
        tests = [(ROOT / "docs" / link).resolve() for link in re.findall(r"\((\.\./tests/[^)]+)\)", row)]
        mark = "|".join(re.sub("[ -]", ".", each) for each in ids.split(", "))
        assert any(re.search(mark, path.read_text("utf-8")) for path in tests), ids
