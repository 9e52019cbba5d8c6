"""What passes between the platform and a connector's process: frames with their length in front, and nothing else.

Each side reads the other's frames with a schema; what does not fit it ends the process. `number` names a call or a
request; the platform counts calls, the process counts its requests.
"""

import socket
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

#: Bytes of one frame, at most: a page of records, or an answer of a platform.
LARGEST: Final = 32 * 1024 * 1024
#: Bytes of the body of a request, at most.
LARGEST_REQUEST: Final = 8 * 1024 * 1024
_HEAD: Final = struct.Struct(">I")
HEAD: Final = _HEAD.size
_PIECE: Final = 256 * 1024


class Malformed(Exception):
    """The other side sent what is no frame, or one that is too large."""


class Frame(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Every frame says what it is."""


class Begin(Frame, frozen=True):
    """The first frame: which connector, what it may read, of what it may see the names, and its memory."""

    package: str
    folder: str
    readable: tuple[str, ...]
    listable: tuple[str, ...]
    memory_mb: int


class Load(Frame, frozen=True):
    """The walls are high enough: the connector's code may run behind them."""


class Call(Frame, frozen=True):
    """Call a function that may ask for requests; `arguments` are of its own schema."""

    number: int
    name: str
    arguments: bytes
    now: datetime


class Stop(Frame, frozen=True):
    """Nobody waits for this call any more."""

    number: int


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """A platform's answer as a connector may see it, with its own request and not the signed one."""

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes
    method: str = "GET"
    url: str = ""
    attempts: int = 1
    waited: float = 0.0
    duration: float = 0.0


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """A failure by the name of its class, and what that class keeps."""

    kind: str
    message: str = ""
    code: str = ""
    status: int = 0
    sent: bool = False
    retry_safe: bool = False
    retry_after: float | None = None
    attempts: int = 0
    answer: Answer | None = None


class Told(Frame, frozen=True):
    """What became of a request or a wait."""

    number: int
    now: datetime
    answer: Answer | None = None
    fault: Fault | None = None


class Standing(Frame, frozen=True):
    """Which walls stand: said before any of the connector's code runs, which could say anything."""

    walls: tuple[str, ...]


class Ready(Frame, frozen=True):
    """The connector is loaded: what it can do."""

    abilities: tuple[str, ...]
    filters: tuple[str, ...]


class Unloaded(Frame, frozen=True):
    """The connector could not be loaded."""

    reason: str


class Done(Frame, frozen=True):
    """A call's result, of its own schema."""

    number: int
    result: bytes


class Failed(Frame, frozen=True):
    """A call ended in a failure."""

    number: int
    fault: Fault


class Ask(Frame, frozen=True):
    """A request for the connection's client to make."""

    number: int
    call: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None
    idempotent: bool
    deadline: float | None = None
    route: str | None = None
    weight: int = 1
    max_body: int | None = None


class Nap(Frame, frozen=True):
    """A wait by the connection's clock."""

    number: int
    call: int
    seconds: float


Down: TypeAlias = Begin | Load | Call | Stop | Told
Up: TypeAlias = Standing | Ready | Unloaded | Done | Failed | Ask | Nap
_DOWN: Final = msgspec.msgpack.Decoder(Down)
_UP: Final = msgspec.msgpack.Decoder(Up)


def packed(frame: Down | Up) -> bytes:
    """A frame as it travels. Raises Malformed for one that is too large."""
    body = msgspec.msgpack.encode(frame)
    if len(body) > LARGEST:
        raise Malformed(f"a frame of more than {LARGEST} bytes")
    return _HEAD.pack(len(body)) + body


def read_up(body: bytes) -> Up:
    """A frame of the process. Raises Malformed."""
    try:
        frame: Up = _UP.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"a frame that cannot be read ({type(error).__name__})") from None
    return frame


def read_down(body: bytes) -> Down:
    """A frame of the platform. Raises Malformed."""
    try:
        frame: Down = _DOWN.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"a frame that cannot be read ({type(error).__name__})") from None
    return frame


def length(head: bytes) -> int:
    """What the head says. Raises Malformed."""
    size = int(_HEAD.unpack(head)[0])
    if size > LARGEST:
        raise Malformed(f"a frame of {size} bytes, {LARGEST} are allowed")
    return size


def receive(channel: socket.socket, left: Callable[[], float] | None = None) -> bytes:
    """The body of the next frame; `left` says how many seconds there are for all of it.

    Raises Malformed, EOFError at the end, and OSError of the socket, TimeoutError among them.
    """
    return _exactly(channel, length(_exactly(channel, HEAD, left)), left)


def _exactly(channel: socket.socket, size: int, left: Callable[[], float] | None) -> bytes:
    """Grows with what comes, not with what was announced."""
    found = bytearray()
    while len(found) < size:
        if left is not None:
            seconds = left()
            if seconds <= 0:
                raise TimeoutError
            channel.settimeout(seconds)
        piece = channel.recv(min(size - len(found), _PIECE))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)
