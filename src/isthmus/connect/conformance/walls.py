"""Walls around a connector: what it may not import, and what its pure functions may not touch (security.md PL-02)."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from isthmus.connect.conformance.report import Broken

_FORBIDDEN = ("open", "os.", "socket.", "subprocess.", "shutil.", "ctypes.", "pty.", "webbrowser.", "import")
_inside: ContextVar[bool] = ContextVar("isthmus_wall", default=False)
_installed: list[bool] = []


def _audit(
    event: str,
    arguments: tuple[object, ...],  # noqa: ARG001 - the shape of an audit hook
    inside: ContextVar[bool] = _inside,
) -> None:
    """The variable comes with the function: the names of this module are gone when the interpreter ends."""
    if inside.get() and event.startswith(_FORBIDDEN):
        raise Broken(f"a pure function does {event}")


@contextmanager
def wall(*allowed: type[Exception]) -> Iterator[None]:
    """Inside, this task may open no file, socket or process, and raise nothing but `allowed`: all else is Broken.

    The audit hook behind it stays for the life of the process, idle.
    """
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_audit)
    before = _inside.set(True)
    try:
        yield
    except Broken:
        raise
    except Exception as error:
        if isinstance(error, allowed):
            raise
        raise Broken(f"raises {type(error).__name__}: {str(error)[:200]}") from error
    finally:
        _inside.reset(before)


#: A connector speaks through the client it is given; it has no business with the machine or the platform's insides.
_OUTSIDE = (
    *("os", "socket", "subprocess", "shutil", "ctypes", "multiprocessing", "threading", "signal", "pickle", "tempfile"),
    *("http", "urllib.request", "ssl", "aiohttp", "httpx", "httpx2", "requests", "sqlalchemy", "asyncpg", "fastapi"),
    *("isthmus.app", "isthmus.cli", "isthmus.engine", "isthmus.feature", "isthmus.features", "isthmus.http"),
    *("isthmus.scope", "isthmus.settings", "isthmus.sandbox"),
)


def forbidden_imports(folder: Path) -> Iterator[str]:
    """What connector and mapping import beyond the contract, and every path between them and their emulator."""
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        if room not in {"connector", "mapping", "sandbox"}:
            continue
        for name in _imported(path):
            parts = name.split(".")
            if room == "sandbox":
                found = {"connector", "mapping"} & set(parts) and "connect" not in parts
            else:
                found = "sandbox" in parts or any(name == one or name.startswith(f"{one}.") for one in _OUTSIDE)
            if found:
                yield f"{path.relative_to(folder)} imports {name}"


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)
