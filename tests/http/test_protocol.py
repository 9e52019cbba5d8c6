"""The transport that gathers the writes of one moment."""

import asyncio

from isthmus.http.gathering import Gathering


class Wire(asyncio.Transport):
    """Keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: object) -> None:
        assert isinstance(list_of_data, tuple)
        self.writes.append(b"".join(list_of_data))

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        raise AssertionError(protocol)

    def pause_reading(self) -> None:
        raise AssertionError

    def resume_reading(self) -> None:
        raise AssertionError


async def test_head_and_body_leave_together_and_a_lone_head_leaves_at_once() -> None:
    wire = Wire()
    gathering = Gathering(wire, asyncio.get_running_loop())
    gathering.write(b"head ")
    gathering.write(b"body")
    gathering.write(b"")
    await asyncio.sleep(0)
    assert wire.writes == [b"head body"]
    gathering.write(b"alone")
    assert wire.writes == [b"head body"]
    await asyncio.sleep(0)
    assert wire.writes == [b"head body", b"alone"]


async def test_a_close_writes_what_is_held_and_an_abort_forgets_it() -> None:
    closed, aborted = Wire(), Wire()
    for wire, end in ((closed, "close"), (aborted, "abort")):
        gathering = Gathering(wire, asyncio.get_running_loop())
        gathering.write(b"last")
        getattr(gathering, end)()
        await asyncio.sleep(0)
        assert gathering.is_closing()
    assert (closed.writes, closed.ended) == ([b"last"], "closed")
    assert (aborted.writes, aborted.ended) == ([], "aborted")
