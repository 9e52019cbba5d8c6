"""Large bytes outside the database: uploads, raw payloads, exports. Ready for object stores."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from isthmus.kit.errors import NotFound, Problem


class BlobTooLarge(Problem):
    """The file is larger than allowed; nothing of it was kept.

    Send a smaller file.
    """

    code: ClassVar[str] = "PAYLOAD_TOO_LARGE"
    status: ClassVar[int] = 413


class BlobNotFound(NotFound):
    """There is no such file, or it is not yours to see.

    Take the id from the record that names the file.
    """


@dataclass(frozen=True, slots=True)
class Blob:
    """What was stored: its id, its size in bytes, and its SHA-256 in hex."""

    id: str
    size: int
    digest: str


class Blobs(Protocol):
    """A store of bytes by tenant and id. A blob is there whole or not at all, and never changes."""

    async def put(self, tenant_id: str, content: AsyncIterable[bytes], *, limit: int) -> Blob:
        """Store a stream of at most `limit` bytes. Raises BlobTooLarge."""
        ...

    def read(self, tenant_id: str, blob_id: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces. Raises BlobNotFound at the first one."""
        ...

    async def delete(self, tenant_id: str, blob_id: str) -> bool:
        """Remove one; False when there is none."""
        ...

    async def delete_tenant(self, tenant_id: str) -> int:
        """Remove all of a tenant's, and return how many."""
        ...
