"""One life of a connector's process: started, spoken to, ended. Its frames are read by a thread of its own.

The process is a new program and no copy of ours, so that nothing of our memory is in it; it gets no environment, no
open file but its two sockets, and a folder to stand in that says nothing.
"""

import contextlib
import os
import signal
import site
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.connect.apart import frames
from isthmus.connect.apart.errors import Unready, WallsMissing
from isthmus.connect.apart.settings import Settings
from isthmus.kit.clock import SYSTEM

#: The folder of this package.
_OURS: Final = Path(__file__).parents[2]
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 5.0
_SEND_SECONDS: Final = 10
_BOOT: Final = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from isthmus.connect.apart.inside import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)
#: Hears a frame, or the reason why there will be no more.
Hear = Callable[["Process", frames.Up | str], None]


@dataclass(frozen=True, slots=True)
class Lodger:
    """Whose process it is: the provider's id, its package and its folder."""

    id: str
    package: str
    folder: Path

    def places(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What it may read: itself, us and installed packages; and the folders in which these are looked for.

        Of such a folder, which may be the one that we were started in, it sees the names alone.
        """
        above = self.package.count(".")
        own = self.folder if above == 0 else self.folder.parents[above - 1]
        installed = [
            *site.getsitepackages(),
            *(value for name, value in sysconfig.get_paths().items() if "lib" in name),
        ]
        trees = {str(one) for one in (own, _OURS, *installed)}
        roots = {one for one in sys.path if one and Path(one).is_dir()} - trees
        return tuple(sorted(trees)), tuple(sorted(roots))


class Process:
    """A running connector. Raises Unready or WallsMissing where it cannot be started."""

    def __init__(self, lodger: Lodger, settings: Settings, hear: Hear) -> None:
        self.lodger = lodger
        self._settings, self._hear = settings, hear
        self._sending, self._computing = threading.Lock(), threading.Lock()
        self._ending = threading.Lock()
        self.ended = ""
        #: Which walls stand around it.
        self.walls: tuple[str, ...] = ()
        self._calls, far_calls = socket.socketpair()
        self._pure, far_pure = socket.socketpair()
        try:
            self._process = _started(far_calls, far_pure)
        finally:
            far_calls.close()
            far_pure.close()
        try:
            self.ready = self._begin()
        except BaseException:
            self.end("it could not be started")
            self._close()
            raise
        self._thread = threading.Thread(target=self._listen, name=f"connector {lodger.id}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it can be spoken to."""
        return not self.ended

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def _begin(self) -> frames.Ready:
        until = SYSTEM.monotonic() + _START_SECONDS
        self._calls.settimeout(_START_SECONDS)
        readable, listable = self.lodger.places()
        begin = frames.Begin(self.lodger.package, str(self.lodger.folder), readable, listable, self._settings.memory_mb)
        try:
            standing = self._said(begin, until)
            self.walls = standing.walls if isinstance(standing, frames.Standing) else ()
            if self._settings.walls not in self.walls:
                known = ", ".join(self.walls) or "none"
                raise WallsMissing(f"The connector {self.lodger.id!r} would stand behind these walls only: {known}.")
            said = self._said(frames.Load(), until)
        except (OSError, EOFError, frames.Malformed) as error:
            reason = f"its process ended or said nothing sensible within {_START_SECONDS:g} s"
            raise Unready(f"The connector {self.lodger.id!r} cannot run in a process of its own: {reason}.") from error
        self._calls.settimeout(None)
        self._calls.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_SECONDS, 0))
        if not isinstance(said, frames.Ready):
            reason = said.reason if isinstance(said, frames.Unloaded) else "it does not begin as it should"
            raise Unready(f"The connector {self.lodger.id!r} cannot run in a process of its own: {reason}")
        return said

    def _said(self, frame: frames.Down, until: float) -> frames.Up:
        self._calls.sendall(frames.packed(frame))
        return frames.read_up(frames.receive(self._calls, lambda: until - SYSTEM.monotonic()))

    def send(self, frame: frames.Down) -> None:
        """Send it, as fast as the process reads. Raises OSError, frames.Malformed for one that is too large."""
        body = frames.packed(frame)
        try:
            with self._sending:
                self._calls.sendall(body)
        except OSError:
            self.end(f"it read nothing for {_SEND_SECONDS} s")  # half a frame may have been sent
            raise

    def compute(self, call: frames.Call, seconds: float) -> frames.Up:
        """Send a computation and wait for its end.

        Raises TimeoutError, OSError, EOFError, frames.Malformed; whoever meets one of these ends the process, as
        nobody knows what comes next on this way.
        """
        body, until = frames.packed(call), SYSTEM.monotonic() + seconds
        with self._computing:
            self._pure.settimeout(seconds)
            self._pure.sendall(body)
            return frames.read_up(frames.receive(self._pure, lambda: until - SYSTEM.monotonic()))

    def _listen(self) -> None:
        """Until the process ends, or says what is no frame."""
        reason = "its process ended"
        try:
            while True:
                self._hear(self, frames.read_up(frames.receive(self._calls)))
        except frames.Malformed as error:
            reason = f"it sent {error}"
        except (EOFError, OSError):
            pass
        self.end(reason)
        self._close()
        self._hear(self, self.ended)

    def end(self, reason: str) -> None:
        """Kill it and whatever it has started; the first reason stays."""
        with self._ending:
            if self.ended:
                return
            self.ended = reason
            # it has not been waited for yet, so that the number is nobody else's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            for channel in (self._calls, self._pure):
                with contextlib.suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)

    def close(self, reason: str) -> None:
        """End it, and wait until it is gone."""
        self.end(reason)
        self._thread.join(_END_SECONDS)

    def _close(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        with self._sending, self._computing:
            self._calls.close()
            self._pure.close()


def _started(calls: socket.socket, pure: socket.socket) -> subprocess.Popen[bytes]:
    places = [one for one in sys.path if one]
    handles = (calls.fileno(), pure.fileno())
    words = [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT, *map(str, handles), *places]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own first line
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        pass_fds=handles,
        start_new_session=True,
    )
