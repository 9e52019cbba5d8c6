"""How a command runs: an event loop, the signals that end it gracefully, and settings from the real environment."""

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import uvloop

from isthmus.app import SECTIONS, Platform, open_platform
from isthmus.http import logging as edge_logging
from isthmus.kit.errors import Problem
from isthmus.settings import Settings, load

T = TypeVar("T")


def settings(overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings of this process; `overrides` are what the command line says. Raises WrongSetting."""
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    loaded = load(SECTIONS, os.environ, given)
    edge_logging.configure(loaded.core.log)
    return loaded


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end on uvloop; of several parts that failed together the first failure is told."""
    # a core file would hold every key of this process, and those of the processes that it starts (security.md LO-07)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        return uvloop.run(main)
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    problems = group.subgroup(Problem)
    inner = (problems or group).exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


@contextlib.contextmanager
def stopping() -> Any:  # noqa: ANN401 - a generator of one event
    """An event that the first SIGINT or SIGTERM sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number: int) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, ask, number)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def end_with_parent() -> None:
    """End at once when standard input closes: whoever holds its other end has died, and nothing here is needed."""
    asyncio.get_running_loop().add_reader(0, _read_nothing)


def _read_nothing() -> None:
    if not os.read(0, 1):
        os._exit(1)


def with_platform(
    use: Callable[[Platform], Awaitable[T]],
    overrides: Mapping[str, object] | None = None,
    *,
    upgrade: bool = False,
) -> T:
    """Open the platform for one short command, and close it."""

    async def main() -> T:
        async with open_platform(settings(overrides), upgrade=upgrade) as platform:
            return await use(platform)

    return run(main())
