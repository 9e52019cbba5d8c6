"""The process of one connector: walls first, then its code, then calls until the platform is gone."""

import asyncio
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from isthmus.connect import registry
from isthmus.connect.apart import faults, frames, walls, wire
from isthmus.connect.apart.pipe import FarClock, PipedClient, Waiting
from isthmus.connect.apart.wire import Function, Place
from isthmus.connect.spi import Connector, Session
from isthmus.connect.writing import Edit
from isthmus.kit.clock import SYSTEM

_DONE: Final = 0
_BROKEN: Final = 1
_LOOK_SECONDS: Final = 2.0


def main(calls: int, pure: int) -> None:
    """Serve one connector on two sockets that were inherited: calls with requests, and computations."""
    asyncio.run(_Guest(socket.socket(fileno=calls), socket.socket(fileno=pure)).serve())


def _leave(code: int) -> NoReturn:
    """At once: threads and atexit functions of a stranger are not waited for."""
    os._exit(code)


def _watch(platform: int) -> None:
    """The ends of both sockets say that the platform is gone, but to nobody while all other threads compute."""
    never = threading.Event()
    while os.getppid() == platform:
        never.wait(_LOOK_SECONDS)
    _leave(_DONE)


class _Guest:
    """One connector and its two ways out."""

    def __init__(self, calls: socket.socket, pure: socket.socket) -> None:
        self._calls, self._pure = calls, pure
        self._waiting = Waiting()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._connector: Connector

    async def serve(self) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._calls)
        begin = await self._read()
        if not isinstance(begin, frames.Begin):
            _leave(_BROKEN)
        held = walls.raise_around(begin.readable, begin.listable, begin.memory_mb)
        await self._send(frames.Standing(held))
        if not isinstance(await self._read(), frames.Load):
            _leave(_BROKEN)
        try:
            self._connector = _loaded(begin)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's code does when it is imported
            await self._send(frames.Unloaded(f"{type(error).__name__}: {error}"[:500]))
            _leave(_BROKEN)
        threading.Thread(target=self._compute, name="computations", daemon=True).start()
        threading.Thread(target=_watch, args=(os.getppid(),), name="platform", daemon=True).start()
        await self._send(frames.Ready(_abilities(self._connector), _filters(self._connector)))
        while True:
            await self._take(await self._read())

    async def _take(self, frame: frames.Down) -> None:
        if isinstance(frame, frames.Call):
            self._tasks[frame.number] = asyncio.create_task(self._called(frame))
        elif isinstance(frame, frames.Told):
            self._waiting.tell(frame)
        elif isinstance(frame, frames.Stop):
            task = self._tasks.get(frame.number)
            if task is not None:
                task.cancel()

    async def _called(self, call: frames.Call) -> None:
        try:
            function = wire.CALLS[call.name]
            result = await self._run(function, call)
            frame: frames.Up = frames.Done(call.number, msgspec.msgpack.encode(result))
            frames.packed(frame)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises is told by its name
            frame = frames.Failed(call.number, faults.fault_of(error))
        finally:
            self._tasks.pop(call.number, None)
        await self._send(frame)

    async def _run(self, function: Function[Any], call: frames.Call) -> object:
        place, *rest = function.arguments.decode(call.arguments)
        clock = FarClock(call.now, self._ask, call.number, SYSTEM)
        async with PipedClient(clock, self._ask, call.number) as client:
            session = _session(place, client, clock)
            if function is wire.WRITE:
                rest = [[wire.edit_of(one) for one in rest[0]]]
            return await getattr(self._connector, function.name)(session, *rest)

    async def _ask(self, frame: frames.Ask | frames.Nap) -> frames.Told:
        number, future = self._waiting.next()
        try:
            await self._send(msgspec.structs.replace(frame, number=number))
            return await future
        finally:
            self._waiting.drop(number)

    async def _send(self, frame: frames.Up) -> None:
        self._writer.write(frames.packed(frame))
        await self._writer.drain()

    async def _read(self) -> frames.Down:
        try:
            size = frames.length(await self._reader.readexactly(frames.HEAD))
            return frames.read_down(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            _leave(_DONE)
        except frames.Malformed:
            _leave(_BROKEN)

    def _compute(self) -> None:
        """In a thread of its own: a computation is not to wait for what the calls are doing."""
        try:
            while True:
                frame = frames.read_down(frames.receive(self._pure))
                if not isinstance(frame, frames.Call):
                    _leave(_BROKEN)
                self._pure.sendall(self._computed(frame))
        except (EOFError, OSError):
            _leave(_DONE)
        except BaseException:  # noqa: BLE001 - a stranger's SystemExit ends the process and not this thread alone
            _leave(_BROKEN)

    def _computed(self, call: frames.Call) -> bytes:
        try:
            function = wire.PURE[call.name]
            arguments = function.arguments.decode(call.arguments)
            result = msgspec.msgpack.encode(_pure(self._connector, function, arguments))
            return frames.packed(frames.Done(call.number, result))
        except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises is told by its name
            return frames.packed(frames.Failed(call.number, faults.fault_of(error)))


def _pure(connector: Connector, function: Function[Any], arguments: Sequence[Any]) -> object:
    behaviour = getattr(connector, function.name)
    if function is wire.CLASSIFY:
        return wire.sent_verdict(behaviour(wire.response_of(arguments[0])))
    if function is wire.MAP:
        return wire.sent_record(behaviour(*arguments))
    if function is wire.BATCHES:
        edits: list[Edit] = [wire.edit_of(one) for one in arguments[0]]
        return wire.keys_of(behaviour(edits, arguments[1]))
    result: object = behaviour(*arguments)
    return result


def _loaded(begin: frames.Begin) -> Connector:
    connector = registry.load(Path(begin.folder), begin.package).connector
    if connector is None:
        raise ValueError("the folder holds facts only")
    return connector


def _session(place: Place, client: PipedClient, clock: FarClock) -> Session:
    return Session(client, place.hosts, place.account, clock)


def _abilities(connector: Connector) -> tuple[str, ...]:
    names = (*wire.PURE, *wire.CALLS)
    return tuple(name for name in names if callable(getattr(connector, name, None)))


def _filters(connector: Connector) -> tuple[str, ...]:
    found = getattr(connector, "search_filters", ())
    return tuple(sorted(str(one) for one in found))
