"""One call of a connector that is kept apart: the session's client makes its requests, and their answers go back."""

import asyncio
import contextlib
from concurrent.futures import Executor
from contextvars import ContextVar
from typing import Any, Final

from isthmus.client import ClientError, InvalidRequest, PlatformError, Response, TooLarge
from isthmus.connect.apart import faults, frames, wire
from isthmus.connect.apart.errors import Crashed
from isthmus.connect.apart.process import Process
from isthmus.connect.apart.settings import Settings
from isthmus.connect.spi import Session

#: The secrets that the call at hand bears: what an answer repeats of them is taken out.
borne: ContextVar[tuple[bytes, ...]] = ContextVar("isthmus_borne_secrets", default=())

_AT_ONCE: Final = 32
_LONGEST_NAP: Final = 60.0
_HEAVIEST: Final = 100
_TOO_MANY: Final = f"it asked for more than {_AT_ONCE} requests at once"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: Of the connection and not of the message, or the client's own.
_NOT_THEIRS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive"}
)
_LARGEST_ANSWER: Final = 8 * 1024 * 1024
_HIDDEN: Final = b"***"


class Talk:
    """A call under way, on the loop that made it."""

    def __init__(self, session: Session, process: Process, settings: Settings, hands: Executor) -> None:
        self._session, self.process, self._settings, self._hands = session, process, settings, hands
        self._loop = asyncio.get_running_loop()
        #: Frames, the reason why there are no more, and what a request ended in.
        self._heard: asyncio.Queue[frames.Up | str | BaseException | None] = asyncio.Queue()
        #: How many frames came, by the thread that reads them, and how many were taken, by the loop.
        self._came, self._taken = 0, 0
        self._requests: set[asyncio.Task[None]] = set()
        #: Whether it has asked for a request.
        self.asked = False

    def hear(self, said: frames.Up | str) -> None:
        """A frame of the process, or why there will be no more; called in another thread."""
        self._came += 1
        if self._came - self._taken > 2 * _AT_ONCE:
            self.process.end(_TOO_MANY)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heard.put_nowait, said)

    async def hold(self, call: frames.Call) -> bytes:
        """From the first frame to the result. Raises what the connector raises, and Crashed."""
        total, done = self._settings.call_seconds.total_seconds(), False
        try:
            async with asyncio.timeout(total):
                await self._send(call)
                result = await self._answered()
                done = True
                return result
        except TimeoutError:
            raise self._end(f"its call took more than {total:g} s") from None
        finally:
            if not done and self.process.alive:
                # nobody waits for it: in a moment, and not before whoever was cancelled
                with contextlib.suppress(RuntimeError):
                    self._loop.run_in_executor(self._hands, self._stop, call.number)
            await self._settle()

    async def _answered(self) -> bytes:
        silence = self._settings.silent_seconds.total_seconds()
        while True:
            try:
                said = await asyncio.wait_for(self._heard.get(), None if self._requests else silence)
            except TimeoutError:
                raise self._end(f"it said nothing for {silence:g} s") from None
            self._taken += isinstance(said, frames.Frame)
            if isinstance(said, frames.Done):
                return said.result
            if isinstance(said, frames.Failed):
                raise faults.error_of(said.fault)
            if isinstance(said, str):
                raise self._crashed(said)
            if isinstance(said, BaseException):
                raise said
            if said is not None:
                self._admit(said)

    def _admit(self, said: frames.Up) -> None:
        if not isinstance(said, frames.Ask | frames.Nap):
            raise self._end("it sent a frame out of turn")
        if len(self._requests) >= _AT_ONCE:
            raise self._end(_TOO_MANY)
        self.asked = self.asked or isinstance(said, frames.Ask)
        job = self._made(said) if isinstance(said, frames.Ask) else self._slept(said)
        task = asyncio.create_task(job)
        self._requests.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        # from now on it computes: its silence is counted
        self._heard.put_nowait(None if task.cancelled() else task.exception())

    async def _made(self, ask: frames.Ask) -> None:
        """Make one request; whatever the client raises goes back as it is."""
        borne.set(())
        answer: frames.Answer | None = None
        fault: frames.Fault | None = None
        try:
            response = await self._request(ask)
            answer = _shown(response, ask)
        except ClientError as error:
            reply = error.reply if isinstance(error, PlatformError) else None
            fault = faults.fault_of(error, _shown(reply, ask) if isinstance(reply, Response) else None)
        await self._tell(frames.Told(ask.number, self._session.clock.now(), answer, fault))

    async def _request(self, ask: frames.Ask) -> Response:
        if ask.method not in _METHODS:
            raise InvalidRequest("not a method that a connector may use")
        headers = {name: value for name, value in ask.headers if name.lower() not in _NOT_THEIRS}
        options: dict[str, Any] = {"headers": headers, "idempotent": ask.idempotent, "route": ask.route}
        if ask.content is not None:
            if len(ask.content) > frames.LARGEST_REQUEST:
                raise InvalidRequest("the body of the request is too large")
            options["content"] = ask.content
        if ask.deadline is not None and 0 < ask.deadline < self._settings.call_seconds.total_seconds():
            options["deadline"] = ask.deadline
        options["weight"] = min(max(1, ask.weight), _HEAVIEST)
        if ask.max_body is not None:
            options["max_body"] = min(ask.max_body, _LARGEST_ANSWER)
        return await self._session.client.request(ask.method, ask.url, **options)

    async def _slept(self, nap: frames.Nap) -> None:
        await self._session.clock.sleep(min(max(nap.seconds, 0.0), _LONGEST_NAP))
        await self._tell(frames.Told(nap.number, self._session.clock.now()))

    async def _tell(self, told: frames.Told) -> None:
        try:
            await self._send(told)
        except frames.Malformed:
            fault = faults.fault_of(TooLarge("the answer is too large for the connector's process"))
            await self._send(frames.Told(told.number, told.now, None, fault))
        except Crashed:
            return  # the call itself is told

    async def _send(self, frame: frames.Down) -> None:
        """In a thread: a process that does not read keeps it waiting, and not the loop."""
        try:
            await self._loop.run_in_executor(self._hands, self.process.send, frame)
        except (OSError, RuntimeError) as error:  # the latter from hands that have been laid down
            raise self._crashed("its process ended") from error

    def _stop(self, number: int) -> None:
        try:
            self.process.send(frames.Stop(number))
        except OSError:
            return  # it is gone, and the call with it

    async def _settle(self) -> None:
        for task in self._requests:
            task.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)

    def _end(self, reason: str) -> Crashed:
        self.process.end(reason)
        return self._crashed(reason)

    def _crashed(self, reason: str) -> Crashed:
        return Crashed(f"The connector {self.process.lodger.id!r} failed: {self.process.ended or reason}.")


def _shown(response: Response, ask: frames.Ask) -> frames.Answer:
    """With the address that answered, but the query that the connector asked for: the sent one may be signed."""
    url = response.url
    asked = f"?{ask.url.partition('?')[2]}" if "?" in ask.url else ""
    address = f"{url.origin}{url.path}{asked}" if url is not None else ""
    return wire.sent_answer(response, ask.method, address, hidden)


def hidden(content: bytes) -> bytes:
    """An answer without the secrets that its request bore, should the far side have repeated them."""
    for secret in borne.get():
        content = content.replace(secret, _HIDDEN)
    return content
