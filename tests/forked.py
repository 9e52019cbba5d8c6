"""`--forks N`: files of tests are shared among forks of the process that has imported and collected them all, once.

A fork takes the next file when it is through with one, and tells how its tests ended to the process that prints.
"""

import atexit
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import pytest

_PLACE = 4
#: What is told: of which kind, and what about.
_Told = tuple[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many."""
    parser.addoption("--forks", type=int, default=0, help="run the files in so many processes")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Instead of pytest's own loop, where forks are asked for."""
    count: int = session.config.getoption("forks")
    if not count or session.config.option.collectonly or session.testsfailed:
        return None
    files: dict[str, list[pytest.Item]] = {}
    for item in session.items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined] # one for all forks
    line = _line(len(files))
    forks = [_Fork(session, list(files.values()), line) for _ in range(count)]
    try:
        _listen(session, forks, line)
    finally:
        _drain(line)
        for fork in forks:
            fork.end()
    return True


def _line(length: int) -> int:
    """A pipe that holds the places of all files in their order; whoever reads has taken one."""
    read, write = os.pipe()
    os.write(write, b"".join(place.to_bytes(_PLACE, "big") for place in range(length)))
    os.close(write)
    return read


def _drain(line: int) -> None:
    while os.read(line, 1 << 16):
        pass


class _Fork:
    """One process, as the one that prints sees it."""

    def __init__(self, session: pytest.Session, files: Sequence[Sequence[pytest.Item]], line: int) -> None:
        sys.stdout.flush()
        self.told, teller = Pipe(duplex=False)
        #: The test that runs there: its id and its place.
        self.runs: tuple[str, Any] | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _live(session, files, line, teller)
        teller.close()

    def end(self) -> int:
        """Wait until it is gone; how it ended."""
        if self.pid:
            self.status, self.pid = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), 0
        return self.status


def _listen(session: pytest.Session, forks: Sequence[_Fork], line: int) -> None:
    """Pass on what the forks tell until all have ended."""
    left = {fork.told: fork for fork in forks}
    while left:
        for told in wait(list(left)):
            assert isinstance(told, Connection)
            fork = left[told]
            try:
                _heard(session, fork, told.recv())
            except EOFError:
                del left[told]
                if fork.end() != 0:
                    _died(session, fork)
        if session.shouldfail or session.shouldstop:
            _drain(line)


def _heard(session: pytest.Session, fork: _Fork, told: _Told) -> None:
    kind, what = told
    hook = session.config.hook
    if kind == "start":
        fork.runs = what
    elif kind == "report":
        report = hook.pytest_report_from_serializable(config=session.config, data=what)
        hook.pytest_runtest_logreport(report=report)
    elif kind == "finish":
        fork.runs = None
        hook.pytest_runtest_logfinish(nodeid=what[0], location=what[1])
    elif kind == "warning":
        message = warnings.WarningMessage(UserWarning(what["text"]), UserWarning, what["file"], what["line"])
        about = {"when": what["when"], "nodeid": what["nodeid"], "location": None}
        hook.pytest_warning_recorded.call_historic(kwargs={"warning_message": message, **about})
    else:
        _failed(session, ("the end of a process of tests", ("", None, "")), what)


def _died(session: pytest.Session, fork: _Fork) -> None:
    why = f"the process ended with {fork.end()}; what else its file holds did not run"
    _failed(session, fork.runs or ("a process of tests", ("", None, "")), why)


def _failed(session: pytest.Session, where: tuple[str, Any], why: str) -> None:
    report = pytest.TestReport(where[0], where[1], {}, "failed", why, "call")
    session.config.hook.pytest_runtest_logreport(report=report)


# What follows runs in the forks.


class _Teller:
    """In place of the reporter that prints."""

    def __init__(self, config: pytest.Config, out: Connection) -> None:
        self._config, self._out = config, out

    def pytest_runtest_logstart(self, nodeid: str, location: object) -> None:
        """A test begins."""
        self._out.send(("start", (nodeid, location)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of it has ended."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._out.send(("report", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: object) -> None:
        """It is over."""
        self._out.send(("finish", (nodeid, location)))

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str, nodeid: str) -> None:
        """A warning that is no error."""
        text = f"{warning_message.category.__name__}: {warning_message.message}"
        about = {"file": warning_message.filename, "line": warning_message.lineno, "when": when, "nodeid": nodeid}
        self._out.send(("warning", {"text": text, **about}))


def _live(session: pytest.Session, files: Sequence[Sequence[pytest.Item]], line: int, out: Connection) -> None:
    """The whole life of a fork; does not return."""
    status = 1
    try:
        config = session.config
        capturing = config.pluginmanager.getplugin("capturemanager")
        capturing.stop_global_capturing()  # what was inherited is one file for all
        capturing.start_global_capturing()
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(_Teller(config, out))
        try:
            _work(session, files, line)
            session._setupstate.teardown_exact(None)
            config._ensure_unconfigure()
            atexit._run_exitfuncs()
        except BaseException:  # noqa: BLE001 - the process that prints is told of whatever it is
            out.send(("broken", traceback.format_exc()))
        status = 0
    finally:
        sys.stdout.flush()
        out.close()
        os._exit(status)


def _work(session: pytest.Session, files: Sequence[Sequence[pytest.Item]], line: int) -> None:
    """Run files until none is left; behind each, all but what belongs to the session is torn down."""
    while place := os.read(line, _PLACE):
        items = files[int.from_bytes(place, "big")]
        for item, following in zip(items, [*items[1:], session], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail or session.shouldstop:
                return
