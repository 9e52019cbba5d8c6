"""Each house rule finds the violation planted for it, and its waiver with a reason silences it."""

from pathlib import Path

import pytest
from tools.house import paths, rules
from tools.house.tree import Source, sources

from isthmus.features.access.model.keys import Mode, form
from isthmus.kit import ids

PLANTED = {
    "clock": ("features/sync/model.py", "import time\nNOW = time.time()\n"),
    "marketplace": ("features/sync/service.py", "NAME = 'shopee'\n"),
    "sql": ("features/sync/store.py", "name = 'x'\nq = f'select a from {name}'\n"),
    "import": ("features/sync/service.py", "import pickle\n"),
    "call": ("features/sync/service.py", "eval('1')\n"),
    "secret": ("features/vault/model.py", "class A:\n    access_token: str\n"),
    "role": ("features/sync/helpers.py", "x = 1\n"),
    "platform": ("features/sync/service.py", "other = scope.platform()\n"),
    "local-import": ("features/sync/service.py", "def f():\n    from isthmus.kit import ids\n    return ids\n"),
    "silent": ("features/sync/service.py", "async def start(scope, tx):\n    await store.insert_run(tx)\n"),
}


IMPORTS = ("xml.etree.ElementTree", "xml.sax", "lxml", "cairosvg")
LOADERS = ("import pickle", "import marshal", "import shelve", "import dill", "from yaml import unsafe_load")
TO_CODE = ("eval(data)", "exec(data)", "__import__(data)", "yaml.load(data)", "yaml.unsafe_load(data)")
BUILT = (
    "q = f'select a from t where b = {b}'",
    "q = 'select a from t where b = %s' % b",
    "q = 'select a from t where b = ' + b",
    "q = 'delete from {}'.format(b)",
    "q = f'with x as (select 1) select a from {b}'",
    "await tx.fetch_sql(f'values ({b})')",
    "await tx.execute_sql('vacuum ' + b)",
    "await tx.execute_sql(text_of(b))",
    "q = sqlalchemy.text(f'call {b}()')",
)
COUNTS = (
    "explain select 1",
    "EXPLAIN (format json) select 1",
    "select reltuples from pg_class",
    "select n_live_tup from x",
)
STARTED = (
    ("call", "subprocess.run(['ls'], shell=True, env={})"),
    ("call", "subprocess.run('ls -l', env={})"),
    ("call", "subprocess.Popen(f'ls {data}', env={})"),
    ("call", "subprocess.getoutput('ls')"),
    ("call", "os.system('ls')"),
    ("call", "await asyncio.create_subprocess_shell('ls')"),
    ("environment", "subprocess.run(['ls'])"),
    ("environment", "await asyncio.create_subprocess_exec('ls', '-l')"),
)


ASKED = (
    "await graph.change(session, root, f'mutation {{ rename(title: \"{title}\") {{ id }} }}', {}, of)",
    "await graph.ask(session, root, 'query { item(id: ' + title + ') { id } }', {}, of)",
    "await api.mutate('mutation { rename(title: %s) }' % title)",
    "document = 'mutation {{ rename(title: {}) }}'.format(title)",
    "document = f'{{ item(id: \"{title}\") {{ id }} }}'",
    "await client.post(root, {'query': 'query { a' + title, 'variables': {}})",
)
CONSTANT = (
    "await graph.change(session, root, _RENAME, {'title': title}, of)",
    "await client.post(root, {'query': document, 'variables': {'title': title}})",
    "path = f'/mutations/{title}'",
    "params = {'query': f'updated_at:>{title}'}",
)


@pytest.mark.parametrize("rule", sorted(PLANTED))
def test_a_planted_violation_is_found(rule: str, tmp_path: Path) -> None:
    name, text = PLANTED[rule]
    source = _planted(tmp_path, name, text)
    assert rule in {finding.rule for finding in rules.broken(source)}


@pytest.mark.parametrize("name", IMPORTS)
def test_PA_07_no_parser_of_xml_or_svg_is_imported(name: str, tmp_path: Path) -> None:
    assert _found(tmp_path, f"import {name}") == {"import"}
    package, _, part = name.rpartition(".")
    assert not package or _found(tmp_path, f"from {package} import {part}") == {"import"}
    assert _found(tmp_path, "from defusedxml import ElementTree") == set()


@pytest.mark.parametrize("line", LOADERS + TO_CODE)
def test_PA_08_nothing_turns_data_into_code(line: str, tmp_path: Path) -> None:
    assert _found(tmp_path, line) in ({"import"}, {"call"})


@pytest.mark.parametrize("line", BUILT)
def test_TN_07_a_statement_that_is_built_from_texts_is_found(line: str, tmp_path: Path) -> None:
    assert _found(tmp_path, f"async def f(tx, b):\n    {line}\n", "features/a/store.py") == {"sql"}


@pytest.mark.parametrize("statement", COUNTS)
def test_TN_12_plans_and_estimates_stay_away_from_tenants(statement: str, tmp_path: Path) -> None:
    assert _found(tmp_path, f"Q = '{statement}'", "features/a/store.py") == {"estimate"}
    assert _found(tmp_path, f"Q = '{statement}'", "engine/db/look.py") == set()


@pytest.mark.parametrize(("rule", "line"), STARTED)
def test_IN_06_processes_get_words_and_an_environment_and_never_a_shell(rule: str, line: str, tmp_path: Path) -> None:
    assert _found(tmp_path, f"async def f(data):\n    {line}\n", "engine/db/start.py") == {rule}


@pytest.mark.parametrize("line", ASKED)
def test_IN_08_a_graphql_document_that_is_built_from_values_is_found(line: str, tmp_path: Path) -> None:
    body = f"async def f(api, client, graph, session, root, of, title):\n    {line}\n"
    assert "graphql" in _found(tmp_path, body, "connectors/a/writing.py")


@pytest.mark.parametrize("line", CONSTANT)
def test_IN_08_constants_with_variables_are_fine(line: str, tmp_path: Path) -> None:
    body = f"async def f(api, client, graph, session, root, of, title):\n    {line}\n"
    assert _found(tmp_path, body, "connectors/a/writing.py") == set()


def test_a_star_is_found_in_any_statement(tmp_path: Path) -> None:
    assert rules.broken(_planted(tmp_path, "features/a/store.py", "Q = 'SELECT * from t'\n"))


def test_a_waiver_needs_a_reason(tmp_path: Path) -> None:
    given = "other = scope.platform()  # house: platform - app registrations\n"
    silent = "other = scope.platform()  # house: platform\n"
    assert rules.broken(_planted(tmp_path, "features/a/service.py", given)) == []
    assert rules.broken(_planted(tmp_path, "features/b/service.py", silent))


def test_AK_09_a_live_looking_key_and_a_machine_path_are_found(tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text(f"key {form(Mode.LIVE, 'a' * 32).reveal()}\nsee /" + "work" + "/main\n", "utf-8")
    assert {finding.rule for finding in paths.findings([file], tmp_path)} == {"key", "path"}


def test_AK_09_a_key_planted_in_the_tree_is_found_and_a_sample_of_a_wrong_checksum_is_none(tmp_path: Path) -> None:
    for mode in Mode:
        real = form(mode, ids.base62(32)).reveal()
        sample = real[:-1] + ("a" if real[-1] != "a" else "b")
        planted = {}
        for name, text in (("real.md", real), ("sample.md", sample), ("code.py", f'KEY = "{real}"')):
            file = tmp_path / name
            file.write_text(f"Call it with `{text}`.\n" if name.endswith(".md") else f"{text}\n", "utf-8")
            planted[name] = {finding.rule for finding in paths.findings([file], tmp_path)}
        assert planted == {"real.md": {"key"}, "sample.md": set(), "code.py": {"key"}}, mode


def test_the_house_keeps_its_rules() -> None:
    assert [str(finding) for source in sources() for finding in rules.broken(source)] == []


def _found(root: Path, text: str, name: str = "features/a/service.py") -> set[str]:
    return {finding.rule for finding in rules.broken(_planted(root, name, text + "\n"))}


def _planted(root: Path, name: str, text: str) -> Source:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return Source(path, name)
