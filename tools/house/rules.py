"""The house rules that imports cannot express; each has the incident it prevents, and a planted violation in tests."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeAlias

from tools.house.tree import ROOT, Finding, Source, dotted

Rule: TypeAlias = Callable[[Source], Iterator[Finding]]

_CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "datetime.datetime.now", "date.today", "time.time",
    "time.monotonic", "time.time_ns", "time.monotonic_ns", "time.perf_counter", "uuid.uuid4", "uuid4", "uuid.uuid1",
}  # fmt: skip
_RANDOM = re.compile(r"^(random|secrets)\.")
_CLOCK_ROOMS = {"kit", "scope"}
_SECRET_NAMES = re.compile(r"(^|_)(token|secret|password|passphrase|private_key|api_key|partner_key)$")
_SQL_STAR = re.compile(r"\bselect\s+\*", re.IGNORECASE)
_SQL_TEXT = re.compile(r"\b(select|insert into|update|delete from|with \w+ as)\b", re.IGNORECASE)
#: The beginning of a GraphQL operation, or of a fragment.
_GRAPHQL = re.compile(r"\s*(?:\{\s*\w+\s*[({]|(?:query|mutation|subscription|fragment)\b[^=;]*[({])")
_SQL_CALLS = {"fetch_sql", "execute_sql"}
#: What counts rows that row-level security hides.
_SQL_COUNTS_ALL = re.compile(
    r"^\s*explain\s+(analyze|verbose|select|with|insert|update|delete|\()|\b(reltuples|n_live_tup|pg_stats)\b",
    re.IGNORECASE,
)
_SHOWN_TO_TENANTS = {"features", "http", "connectors", "connect", "scope"}
_FORBIDDEN_IMPORTS = {
    "pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "joblib", "xml", "lxml", "bs4", "html5lib",
    "cairosvg", "svglib", "ijson", "requests", "urllib.request", "http.client", "yaml.load", "yaml.unsafe_load",
}  # fmt: skip
_FORBIDDEN_CALLS = {
    "eval", "exec", "__import__", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "os.system",
    "os.popen", "pty.spawn", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell",
}  # fmt: skip
_STARTS = re.compile(r"^(subprocess\.(run|Popen|call|check_call|check_output)|asyncio\.create_subprocess_exec)$")
_ROLES = {
    "__init__",
    "feature",
    "routes",
    "jobs",
    "service",
    "store",
    "tables",
    "model",
    "events",
    "errors",
    "settings",
}
_SPANS_TENANTS = re.compile(r"\.platform\(\)")


def clock_and_randomness(source: Source) -> Iterator[Finding]:
    """A policy that read the wall clock could not be tested, and a stepped clock broke its promise."""
    if source.room in _CLOCK_ROOMS or source.name == "client/randomness.py":
        return
    for node in source.nodes:
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if (name in _CLOCKS or _RANDOM.match(name)) and name != "secrets.compare_digest":
            yield _finding(source, node, "clock", f"{name}() outside kit and scope; take it from the Clock or kit.ids")


#: Providers that are called by a plain word, which code may use for what it means.
_WORDS = frozenset(
    {"bird", "box", "close", "confluence", "copper", "front", "harvest", "linear", "monday", "notion", "resend"}
    | {"segment", "wave", "x", "zoom"}
)


_WORD = re.compile(r"\w+")


@cache
def _names() -> frozenset[str]:
    folders = (ROOT / "src" / "isthmus" / "connectors").iterdir()
    return frozenset(folder.name for folder in folders if (folder / "manifest.toml").is_file()) - _WORDS


def marketplace_names(source: Source) -> Iterator[Finding]:
    """A feature that named a marketplace would need a change for each new one."""
    if source.room == "connectors":
        return
    names = _names()
    if names.isdisjoint(_WORD.findall(source.text.lower())):
        return
    for number, line in enumerate(source.lines, 1):
        found = next((word for word in _WORD.findall(line) if word.lower() in names), None)
        if found and not source.waived(number, "marketplace") and not line.lstrip().startswith(("#", '"""')):
            yield Finding(source.name, number, "marketplace", f"names {found!r} outside its folder")


def sql_text(source: Source) -> Iterator[Finding]:
    """A built statement let a caller's text become SQL; a `select *` showed a new column to everybody."""
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL_STAR.search(node.value):
            yield _finding(source, node, "sql", "select * : name the columns")
        if isinstance(node, ast.expr) and _built(node):
            yield _finding(source, node, "sql", "a statement built from texts; bind its values")
        if isinstance(node, ast.Call) and node.args and _given_to_database(node):
            yield _finding(source, node, "sql", "a statement that is no constant; bind its values")


def _built(node: ast.expr) -> bool:
    """Whether an f-string, `%`, `+` or `.format` makes a statement (TN-07)."""
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        return any(isinstance(part, ast.FormattedValue) for part in node.values) and _is_sql(text)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return isinstance(node.left, ast.Constant) and _is_sql(node.left.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join"}:
        return isinstance(node.func.value, ast.Constant) and _is_sql(node.func.value.value)
    return False


def _is_sql(text: object) -> bool:
    return isinstance(text, str) and bool(_SQL_TEXT.match(text.strip()))


def _given_to_database(call: ast.Call) -> bool:
    """Whether a text made on the spot goes to the database; constants and their names are read in review."""
    called = dotted(call.func).rpartition(".")[2]
    made = isinstance(call.args[0], ast.JoinedStr | ast.BinOp | ast.Call)
    return made and (called in _SQL_CALLS or dotted(call.func) in {"sqlalchemy.text", "sa.text"})


def graphql_documents(source: Source) -> Iterator[Finding]:
    """A title with a quote in it became a part of the query: values go as variables, documents are constants."""
    made = [node for node in source.nodes if isinstance(node, ast.expr) and _is_made(node)]
    built = {node for node in made if _GRAPHQL.match(_constant_text(node))}
    for node in source.nodes:
        if isinstance(node, ast.Call) and any(_is_made(one) for one in _documents(node)):
            yield _finding(source, node, "graphql", "a GraphQL document that is made on the spot; use variables")
        if built and isinstance(node, ast.AsyncFunctionDef):
            for inner in built.intersection(ast.walk(node)):
                yield _finding(source, inner, "graphql", "a GraphQL document built from values; use variables")


def _documents(call: ast.Call) -> list[ast.expr]:
    """What of a call is a GraphQL document: of our sender, of a connector's own, or of a payload with variables."""
    name = dotted(call.func)
    if name.endswith((".ask", ".change")) and "graph" in name:
        return call.args[2:3]
    if name.endswith(".mutate"):
        return call.args[:1]
    return [
        value
        for one in call.args
        if isinstance(one, ast.Dict) and {"query", "variables"} <= {_key(key) for key in one.keys}
        for key, value in zip(one.keys, one.values, strict=True)
        if _key(key) == "query"
    ]


def _key(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _is_made(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod | ast.Add)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join"}


def _constant_text(node: ast.expr) -> str:
    texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return " ".join(texts)


def hidden_rows(source: Source) -> Iterator[Finding]:
    """A plan or an estimate told a tenant how many rows the others have (TN-12)."""
    if source.room not in _SHOWN_TO_TENANTS:
        return
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL_COUNTS_ALL.search(node.value):
            yield _finding(source, node, "estimate", "plans and estimates count the rows of every tenant")


def dangerous_names(source: Source) -> Iterator[Finding]:
    """Parsers and calls that turn data into code, or leave the guard of the client (PA-07, PA-08, IN-06)."""
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _imported(node):
                if any(name == bad or name.startswith(f"{bad}.") for bad in _FORBIDDEN_IMPORTS):
                    yield _finding(source, node, "import", f"{name} is not used in this house")
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in _FORBIDDEN_CALLS:
                yield _finding(source, node, "call", f"{name}() is not used in this house")
            if _STARTS.match(name):
                yield from _started(source, node)


def _started(source: Source, node: ast.Call) -> Iterator[Finding]:
    """A process gets its words as a list and its environment spelled out (IN-06)."""
    words = {word.arg for word in node.keywords}
    if "shell" in words:
        yield _finding(source, node, "call", "subprocess with a shell")
    one_text = node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.BinOp)
    if one_text and not dotted(node.func).endswith("_exec"):
        yield _finding(source, node, "call", "a command that is one text; give a list of words")
    if "env" not in words:
        yield _finding(source, node, "environment", "a process that inherits our environment; give `env`")


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if node.module else []


def secret_types(source: Source) -> Iterator[Finding]:
    """A dataclass printed the token it held (LO-01): fields with a secret's name are of a type that hides it."""
    for node in source.nodes:
        if not isinstance(node, ast.ClassDef):
            continue
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            kind = ast.unparse(field.annotation)
            plain = re.search(r"\bstr\b", kind) and "Secret" not in kind
            if _SECRET_NAMES.search(field.target.id) and plain:
                yield _finding(source, field, "secret", f"{node.name}.{field.target.id} is a bare str; use kit.Secret")


def roles(source: Source) -> Iterator[Finding]:
    """A drawer called `helpers` was where every subject of a room met."""
    parts = source.name.split("/")
    if parts[0] != "features" or len(parts) < 3:
        return
    role = parts[2].removesuffix(".py")
    if role not in _ROLES:
        yield Finding(source.name, 1, "role", f"{role!r} is not a role of a room: {', '.join(sorted(_ROLES))}")


def spanning_tenants(source: Source) -> Iterator[Finding]:
    """Work for the deployment's own tenant is rare, and stands on a list that a reviewer can read."""
    for number, line in enumerate(source.lines, 1):
        if source.room == "features" and _SPANS_TENANTS.search(line) and not source.waived(number, "platform"):
            yield Finding(source.name, number, "platform", "scope.platform() without `# house: platform - reason`")


def local_imports(source: Source) -> Iterator[Finding]:
    """An import inside a function hides a cycle."""
    inside = any(isinstance(node, ast.ImportFrom) and node.col_offset for node in source.nodes)
    for node in source.nodes if inside else ():
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("isthmus"):
                yield _finding(source, inner, "local-import", f"{inner.module} is imported inside a function")


def silent_writes(source: Source) -> Iterator[Finding]:
    """A change without an event is a change that nobody can find again (AU-01)."""
    if not re.fullmatch(r"features/[a-z_]+/service(/[a-z_]+)?\.py", source.name):
        return
    for node in source.tree.body:
        if not isinstance(node, ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        calls = {dotted(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        writes = sorted(name for name in calls if re.match(r"store\.(insert|update|delete|upsert|put)", name))
        emits = any(name.endswith(".emit") for name in calls)
        if writes and not emits and not source.waived(node.lineno, "silent"):
            yield _finding(source, node, "silent", f"{node.name} writes ({writes[0]}) and emits nothing")


def _finding(source: Source, node: ast.stmt | ast.expr, rule: str, message: str) -> Finding:
    if source.waived(node.lineno, rule):
        return Finding("", 0, rule, "")
    return Finding(source.name, node.lineno, rule, message)


RULES: tuple[Rule, ...] = (
    clock_and_randomness,
    marketplace_names,
    sql_text,
    graphql_documents,
    hidden_rows,
    dangerous_names,
    secret_types,
    roles,
    spanning_tenants,
    local_imports,
    silent_writes,
)


def broken(source: Source) -> list[Finding]:
    """All findings in one file that carry no waiver."""
    return sorted({finding for rule in RULES for finding in rule(source) if finding.place})
