"""A connector's process over all its lives: started when it is needed, again after a crash, and never too often."""

import asyncio
import itertools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec

from isthmus.connect import budgets
from isthmus.connect.apart import faults, frames
from isthmus.connect.apart.errors import Crashed, Endless, Unready, WallsMissing
from isthmus.connect.apart.held import Held
from isthmus.connect.apart.process import Lodger, Process
from isthmus.connect.apart.settings import Settings
from isthmus.connect.apart.talk import Talk
from isthmus.connect.apart.wire import Function
from isthmus.connect.spi import Session
from isthmus.kit.clock import SYSTEM, Clock

T = TypeVar("T")
_LOG = logging.getLogger("isthmus.connect.apart")
#: Seconds before it is started again, by how many times it has just crashed; the first time at once.
_PAUSES: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
#: A process that lasted so long has no crashes behind it.
_HEALTHY_SECONDS: Final = 300.0


class Cell:
    """What the platform has of a connector that is kept apart. Any thread and any loop may call it."""

    def __init__(self, lodger: Lodger, settings: Settings, clock: Clock = SYSTEM) -> None:
        self.lodger = lodger
        self._settings, self._clock = settings, clock
        self._starting = threading.Lock()
        self._process: Process | None = None
        self._talks: dict[int, Talk] = {}
        self._numbers, self._crashes = itertools.count(1), 0
        self._started, self._rest = 0.0, 0.0
        self._closed, self._held = False, Held()
        #: Starts it and sends to it, so that neither a slow start nor a full pipe keeps anybody else's work waiting.
        self._hands = ThreadPoolExecutor(1, f"connector {lodger.id}")

    def close(self) -> None:
        """End it for good."""
        with self._starting:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.close("the platform ends")
        self._hands.shutdown(wait=False, cancel_futures=True)

    def running(self) -> Process:
        """The process, started if it must be. Raises Unready, WallsMissing, Crashed."""
        with self._starting:
            known, now = self._process, self._clock.monotonic()
            if known is not None and known.alive:
                return known
            if self._closed:
                raise self._over()
            if known is not None:
                self._process = None
                self._count(now, lasted=now - self._started)
            if now < self._rest:
                wait = self._rest - now
                message = f"The process of {self.lodger.id!r} crashed a moment ago and starts again in {wait:.0f} s."
                raise Crashed(message, retry_safe=True, retry_after=wait)
            self._process, self._started = Process(self.lodger, self._settings, self._hear), self._clock.monotonic()
            return self._process

    def _count(self, now: float, *, lasted: float) -> None:
        """One more crash, and how long it rests after it."""
        self._crashes = 1 if lasted >= _HEALTHY_SECONDS else self._crashes + 1
        self._rest = now + _PAUSES[min(self._crashes, len(_PAUSES)) - 1]

    def compute(self, function: Function[T], *arguments: object) -> T:
        """A computation of the connector; the caller's thread waits for it, as it would compute by itself.

        Raises what the connector raises, Endless where it finds no end, Crashed, and msgspec's errors for a result
        that has not the form it should have.
        """
        packed, seconds = msgspec.msgpack.encode(arguments), self._settings.pure_seconds.total_seconds()
        process, left = self._alive(), budgets.wait_left()
        if process is None:
            raise self._woken()
        if left is not None and left <= 0:
            raise Endless(f"The connector {self.lodger.id!r} takes too long over one piece of work.", retry_safe=True)
        seconds = seconds if left is None else min(seconds, left)
        try:
            said = self._waited(process, frames.Call(0, function.name, packed, self._clock.now()), seconds)
        except frames.Malformed as error:
            process.end(f"it sent {error}")
            raise self._crashed(process, "it sent what cannot be read") from error
        except TimeoutError as error:
            process.end(f"it computed for more than {seconds:.3g} s")
            raise Endless(f"The connector {self.lodger.id!r} failed: {process.ended}.", retry_safe=True) from error
        except (OSError, EOFError) as error:
            process.end("its process ended")
            raise self._crashed(process, "its process ended") from error
        except BaseException:
            process.end("a computation was given up")  # what comes next on this way would be the answer to it
            raise
        if isinstance(said, frames.Failed):
            raise faults.error_of(said.fault)
        if not isinstance(said, frames.Done):
            process.end("it sent a frame out of turn")
            raise self._crashed(process, "it sent a frame out of turn")
        return function.result.decode(said.result)

    def _waited(self, process: Process, call: frames.Call, seconds: float) -> frames.Up:
        began = SYSTEM.monotonic()
        try:
            return process.compute(call, seconds)
        finally:
            now = SYSTEM.monotonic()
            budgets.waited(now - began)
            if self._held.add(now, now - began):
                process.end("its computations held up everything else")

    async def call(self, function: Function[T], arguments: tuple[object, ...], session: Session) -> T:
        """A call of the connector, which may ask for requests of the session's client.

        Raises what the connector raises, Crashed, and msgspec's errors for a result of another form.
        """
        packed = msgspec.msgpack.encode(arguments)
        process = self._alive()
        if process is None:
            if self._closed:
                raise self._over()
            process = await asyncio.get_running_loop().run_in_executor(self._hands, self._usable)
        number = next(self._numbers)
        talk = self._talks[number] = Talk(session, process, self._settings, self._hands)
        try:
            result = await talk.hold(frames.Call(number, function.name, packed, session.clock.now()))
        except Crashed as error:
            error.sent = talk.asked and function.writes
            error.retry_safe = not error.sent
            raise
        finally:
            self._talks.pop(number, None)
        return function.result.decode(result)

    def _alive(self) -> Process | None:
        process = self._process
        return process if process is not None and process.alive else None

    def _woken(self) -> Crashed:
        """Have it started for the next one who needs it: a computation waits for no start."""
        try:
            self._hands.submit(self._usable)
        except RuntimeError:
            return self._over()
        message = f"The process of {self.lodger.id!r} has crashed and is started again."
        return Crashed(message, retry_safe=True, retry_after=1.0)

    def _over(self) -> Crashed:
        return Crashed(f"The process of {self.lodger.id!r} has ended with the platform.", retry_safe=True)

    def _usable(self) -> Process:
        """As `running`, for calls: what the settings cannot mend any more is a crash. Raises Crashed."""
        try:
            return self.running()
        except (Unready, WallsMissing) as error:
            with self._starting:
                self._count(self._clock.monotonic(), lasted=0.0)
            raise Crashed(error.message, retry_safe=True) from error

    def _hear(self, process: Process, said: frames.Up | str) -> None:
        """Called in the thread of a process."""
        if isinstance(said, str):
            if not self._closed:
                _LOG.warning("the process of the connector %s has ended: %s", self.lodger.id, said)
            for one in [one for one in list(self._talks.values()) if one.process is process]:
                one.hear(said)
            return
        number = said.call if isinstance(said, frames.Ask | frames.Nap) else getattr(said, "number", 0)
        talk = self._talks.get(number)
        if talk is not None and talk.process is process:
            talk.hear(said)

    def _crashed(self, process: Process, reason: str) -> Crashed:
        return Crashed(f"The connector {self.lodger.id!r} failed: {process.ended or reason}.", retry_safe=True)
