"""Whether a thing is still what somebody has read: its tag, and the tags that a change names (security.md MA-04).

Tags are the entity tags of RFC 9110, 8.8.3, and are compared as its 13.1.1 says of `If-Match`. A tag stands for what
people can change of a thing, so that what it does by itself, such as being read, makes no change of theirs a conflict.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

import msgspec

_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
#: Blanks are taken once and never given back, so that no list is read in two ways.
_LIST = re.compile(rf"[ \t,]*+{_TAG}(?:[ \t]*+,[ \t]*+(?:{_TAG})?)*+[ \t]*+")
_ANY = "*"
_ENCODER = msgspec.json.Encoder(order="deterministic")


def etag(*facts: object) -> str:
    """The tag of what these facts are: the same as long as they are, for all processes, and nothing shows through it.

    Raises TypeError for what has no JSON form, as a secret has none.
    """
    return base64.urlsafe_b64encode(hashlib.sha256(_ENCODER.encode(facts)).digest()[:15]).decode()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a change may be made to: a thing with one of these tags; `anything` where it only has to be there."""

    tags: frozenset[str] = frozenset()
    anything: bool = False

    @classmethod
    def read(cls, header: str) -> "Seen":
        """The value of `If-Match`: `*`, or tags with commas between them; weak ones fit nothing. Raises ValueError."""
        if header.strip() == _ANY:
            return cls(anything=True)
        if not _LIST.fullmatch(header):
            raise ValueError("neither * nor tags in double quotes")
        return cls(frozenset(tag for weak, tag in re.findall(_TAG, header) if not weak))

    def narrowed(self, tag: str) -> "Seen":
        """The thing with this tag, where it is among these."""
        return Seen(frozenset({tag} if self.fits(tag) else ()))

    def fits(self, present: str | None) -> bool:
        """Whether this is the tag of something that may be changed; None: nothing is there."""
        return present is not None and (self.anything or present in self.tags)
