"""Where cached replies live: in memory by default, or as blobs behind a small port."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

import msgspec

from isthmus.client.cache.rules import Entry


class CacheStore(Protocol):
    """Keeps entries by key. It may forget any of them at any time."""

    async def get(self, key: str) -> Entry | None: ...

    async def put(self, key: str, entry: Entry) -> None: ...

    async def delete(self, key: str) -> None: ...

    async def invalidate(self, tag: str) -> None:
        """Forget every entry that carries the tag."""
        ...


class MemoryCache:
    """The least recently used go first when there are more than `max_bytes`; one reply is at most a tenth of that."""

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max = max_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._tags: dict[str, set[str]] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: str) -> Entry | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    async def put(self, key: str, entry: Entry) -> None:
        await self.delete(key)
        if entry.size > self._max // 10:
            return
        self._entries[key] = entry
        self.size += entry.size
        for tag in entry.tags:
            self._tags.setdefault(tag, set()).add(key)
        while self.size > self._max:
            await self.delete(next(iter(self._entries)))

    async def delete(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.size -= entry.size
        for tag in entry.tags:
            keys = self._tags.get(tag, set())
            keys.discard(key)
            if not keys:
                self._tags.pop(tag, None)

    async def invalidate(self, tag: str) -> None:
        for key in list(self._tags.get(tag, ())):
            await self.delete(key)


class Blobs(Protocol):
    """A place for bytes by name, such as a directory, a bucket or a table."""

    async def get(self, name: str) -> bytes | None: ...

    async def put(self, name: str, content: bytes) -> None: ...

    async def delete(self, name: str) -> None: ...


class BlobCache:
    """Entries as blobs. A tag is a generation number: raising it makes every older entry unreadable at once."""

    def __init__(self, blobs: Blobs, prefix: str = "http-cache/") -> None:
        self._blobs = blobs
        self._prefix = prefix

    async def get(self, key: str) -> Entry | None:
        content = await self._blobs.get(self._prefix + key)
        if content is None:
            return None
        try:
            generations, found = _decoder.decode(content)
        except msgspec.DecodeError:
            return None
        for tag, generation in generations.items():
            if await self._generation(tag) != generation:
                await self.delete(key)
                return None
        return found

    async def put(self, key: str, entry: Entry) -> None:
        generations = {tag: await self._generation(tag) for tag in entry.tags}
        await self._blobs.put(self._prefix + key, _encoder.encode((generations, entry)))

    async def delete(self, key: str) -> None:
        await self._blobs.delete(self._prefix + key)

    async def invalidate(self, tag: str) -> None:
        generation = await self._generation(tag) + 1
        await self._blobs.put(self._tag(tag), str(generation).encode())

    def _tag(self, tag: str) -> str:
        return self._prefix + "tag-" + tag.encode().hex()

    async def _generation(self, tag: str) -> int:
        content = await self._blobs.get(self._tag(tag))
        return int(content) if content and content.isdigit() else 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[dict[str, int], Entry])
