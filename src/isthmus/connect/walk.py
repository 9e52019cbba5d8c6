"""Where to read next: a pure policy that pages through a changing list without losing a row.

Platforms page by position. While somebody edits, rows move between the pages and one that nobody touched can slip
through. Three rules prevent that, for every platform that filters by time of change:

- Windows are closed in the past, so rows may leave one (by being edited, which the next pull sees) but never enter it.
- A window is small: one that counts more rows than `most` is halved. No offset gets deep, and redoing one is cheap.
- A window is left only after a clean pass: the count never changed meanwhile, and as many different rows were seen.
  After any other pass it is read again in windows that fit on one page, where no row can move.

The whole state is a `Walk`, written into the cursor; stepping twice from the same one gives the same answer.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import pack, unpack
from zlib import crc32

import msgspec
from msgspec.structs import replace

from isthmus.connect.faults import CursorUnreadable
from isthmus.connect.spi import Window

_PASSES = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """What a platform's paging allows: `page` rows at a time, at most `most` rows in one window."""

    page: int
    most: int
    #: No listing of the platform is older; a window that begins here needs no lower bound.
    floor: datetime = datetime(2010, 1, 1, tzinfo=UTC)
    #: The longest window a read may cover, in seconds.
    longest: int | None = None
    #: How many separate lists are walked one after the other (such as live and deleted rows).
    lists: int = 1


class Walk(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A place in a pull: a window of whole seconds, both ends included, and a position in it."""

    start: int
    stop: int
    end: int
    begin: int
    offset: int = 0
    #: What the first page of this pass counted.
    count: int = 0
    #: Digests of the rows seen in this pass, while it has more than one page.
    seen: str = ""
    #: Read windows of one page only, up to here.
    careful: int = 0
    passes: int = 1
    list: int = 0
    #: Rows of the whole pull, when the first window covered it.
    total: int | None = None

    def bounded(self, rules: Rules) -> bool:
        """Whether the window needs a lower bound: the first one of a full pull takes rows of any age."""
        return self.start > int(rules.floor.timestamp())


@dataclass(frozen=True, slots=True)
class Step:
    """What follows a page: whether its rows count, and the next place (None: the pull has ended)."""

    keep: bool
    walk: Walk | None

    @property
    def cursor(self) -> str | None:
        """The next place as text."""
        return None if self.walk is None else msgspec.json.encode(self.walk).decode()


def begin(window: Window, cursor: str | None, rules: Rules) -> Walk:
    """The place a cursor names, or the beginning of the window. Raises CursorUnreadable for a text that is none."""
    if cursor is not None:
        try:
            return msgspec.json.decode(cursor, type=Walk)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CursorUnreadable("the cursor does not belong to this connector") from error
    start = int((window.since or rules.floor).timestamp())
    end = max(start + 1, int(window.until.timestamp()))
    return _window(Walk(start, end, end, start), start, end - start, rules)


def _window(walk: Walk, start: int, width: int, rules: Rules) -> Walk:
    width = max(1, min(width, rules.longest or width))
    stop = min(walk.end, start + width)
    return replace(walk, start=start, stop=stop, offset=0, count=0, seen="", passes=1)


def after(
    walk: Walk, rules: Rules, ids: Iterable[str], *, total: int, last: bool, next_offset: int | None = None
) -> Step:
    """What follows the page at `walk`, which showed these ids, counted `total` and may be the window's `last`.

    `next_offset` is where the platform says that the next page begins; by default a full page further on.
    """
    most = rules.page if walk.careful > walk.start else rules.most
    first = walk.offset == 0
    if first and walk.total is None and walk.list == 0 and (walk.start, walk.stop) == (walk.begin, walk.end):
        walk = replace(walk, total=total)
    if first and walk.passes == 1 and total > most and walk.stop - walk.start > 1:
        return Step(False, _window(walk, walk.start, (walk.stop - walk.start) // 2, rules))
    seen = _read(walk.seen) | {crc32(one.encode()) for one in ids}
    count = total if first else walk.count
    if not last:
        ahead = next_offset if next_offset is not None and next_offset > walk.offset else walk.offset + rules.page
        return Step(True, replace(walk, offset=ahead, count=count, seen=_written(seen)))
    clean = total == count and len(seen) >= total
    if not clean and not (first and total <= rules.page):
        again = _again(walk, rules)
        if again is not None:
            return Step(True, again)
    return Step(True, _next(walk, rules, total))


def _again(walk: Walk, rules: Rules) -> Walk | None:
    """The same window once more: in one-page windows where it can be split, else another pass, a few times."""
    if walk.stop - walk.start > 1 and walk.careful < walk.stop:
        return _window(replace(walk, careful=walk.stop), walk.start, walk.stop - walk.start, rules)
    if walk.passes >= _PASSES:
        return None
    return replace(walk, offset=0, count=0, seen="", passes=walk.passes + 1)


def _next(walk: Walk, rules: Rules, total: int) -> Walk | None:
    if walk.stop >= walk.end:
        if walk.list + 1 >= rules.lists:
            return None
        restart = Walk(walk.begin, walk.end, walk.end, walk.begin, list=walk.list + 1, total=walk.total)
        return _window(restart, walk.begin, walk.end - walk.begin, rules)
    most = rules.page if walk.careful > walk.start else rules.most
    width = walk.stop - walk.start
    return _window(walk, walk.stop, width * 2 if total * 2 <= most else width, rules)


def _written(digests: set[int]) -> str:
    return b64encode(pack(f"<{len(digests)}I", *sorted(digests))).decode()


def _read(text: str) -> set[int]:
    if not text:
        return set()
    raw = b64decode(text)
    return set(unpack(f"<{len(raw) // 4}I", raw))
