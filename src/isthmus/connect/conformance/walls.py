"""A wall around the pure functions of a connector: what they may not touch raises (security.md PL-02)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from isthmus.connect.conformance.report import Broken

_FORBIDDEN = ("open", "os.", "socket.", "subprocess.", "shutil.", "ctypes.", "pty.", "webbrowser.", "import")
_inside: ContextVar[bool] = ContextVar("isthmus_wall", default=False)
_installed: list[bool] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:  # noqa: ARG001 - the shape of an audit hook
    if _inside.get() and event.startswith(_FORBIDDEN):
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
