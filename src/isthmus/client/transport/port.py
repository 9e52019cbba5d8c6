"""The port of transports: one exchange over one connection, nothing decided."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from multidict import CIMultiDict, CIMultiDictProxy

from isthmus.client.message import Request


class Flight:
    """What the pipeline wants to know of an exchange even if it never comes back."""

    __slots__ = ("host", "sent")

    def __init__(self) -> None:
        #: Whose name the dial is for; set by the transport.
        self.host = ""
        #: Whether bytes of the request may have left.
        self.sent = False


class Exchange(Protocol):
    """A reply whose head has arrived; its body is still encoded."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> CIMultiDict[str] | CIMultiDictProxy[str]: ...

    async def read(self, limit: int) -> bytes:
        """The whole encoded body. Raises TooLarge past `limit` bytes, Disconnected if it ends early."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The encoded body in pieces as they arrive."""
        ...

    async def release(self) -> None:
        """Done: give the connection back if the body was read to its end, else close it."""
        ...

    def abort(self) -> None:
        """Close the connection now."""
        ...


class Transport(Protocol):
    """Sends requests. It adds no header but Host and framing, follows no redirect and never sends twice.

    Raises the errors of `isthmus.client.errors`: ConnectFailed, TlsFailed, AddressRefused with nothing sent,
    Disconnected and BadReply after. It may be used by many clients at once and lives until `aclose`.
    """

    async def send(self, request: Request, flight: Flight) -> Exchange: ...

    async def aclose(self) -> None: ...
