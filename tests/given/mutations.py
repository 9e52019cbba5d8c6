"""Inputs of strangers made of good ones: cut, doubled, swapped, and with what parsers stumble over put in."""

from collections.abc import Iterator, Sequence
from random import Random

#: What has broken parsers before: ends of things, numbers out of range, texts that no store holds, depth, cycles.
TOKENS = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"NaN", b"1e999", b"-0", b"9" * 400, b'"', b"'", b"\\",
    b"{", b"}", b"[" * 200, b"]", b"<", b"&#0;", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"*a", b"&a", b"!!x", b"\r\n",
    b"\r", b"\n\n",
    b"\t", b",", b":", b";", b"=", b"%00", b"%", b"..", b"/", b"null", b"true", b"\xef\xbb\xbf", b"\xff\xfe",
    b"\xe2\x80\xae", b"\xf0\x9f\x98\x80", b"a" * 5_000,
)  # fmt: skip
_LONGEST = 20_000


def mutated(seeds: Sequence[bytes], chance: Random) -> bytes:
    """One of the seeds, changed in a few places."""
    whole = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        place = chance.randint(0, len(whole))
        end = min(len(whole), place + chance.randint(0, 12))
        match chance.randint(0, 5):
            case 0:
                whole[place:end] = chance.choice(TOKENS)
            case 1:
                whole[place:end] = b""
            case 2:
                whole[place:place] = whole[place:end] * chance.randint(1, 40)
            case 3 if whole:
                whole[min(place, len(whole) - 1)] = chance.randint(0, 255)
            case 4:
                other = chance.choice(seeds)
                start = chance.randint(0, len(other))
                whole[place:end] = other[start : start + chance.randint(0, 60)]
            case _:
                del whole[place:]
    return bytes(whole[:_LONGEST])


def many(seeds: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """The seeds themselves, then so many inputs that are the same for the same number."""
    yield from seeds
    chance = Random(seed)
    for _ in range(count):
        yield mutated(seeds, chance)
