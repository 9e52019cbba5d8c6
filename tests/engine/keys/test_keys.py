"""Sealing and master keys: a value opens in its own place alone, and a bad source is named and left alone."""

import base64
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.engine import keys
from isthmus.engine.keys import Key, KeyRing, MasterKeyUnusable, NotOpened
from isthmus.kit.secret import Secret

KEY = Key("dk_1", bytes(range(32)))
PLACE = ("1", "field", "ten_a", "con_1", "token", "dk_1")
GOOD = base64.b64encode(bytes(range(32))).decode()


@given(text=st.binary(max_size=200), context=st.lists(st.text(max_size=12), max_size=6))
def test_what_is_sealed_opens_in_its_place(text: bytes, context: list[str]) -> None:
    sealed = keys.seal(KEY, text, context)
    assert keys.open(KEY, sealed, context) == text
    assert keys.key_id(sealed) == "dk_1"
    assert text not in sealed or len(text) < 4


@pytest.mark.parametrize("part", range(len(PLACE)))
def test_VA_04_a_value_moved_to_another_place_does_not_open(part: int) -> None:
    sealed = keys.seal(KEY, b"secret", PLACE)
    moved = [*PLACE]
    moved[part] += "x"
    for context in (moved, [*PLACE, ""], PLACE[:-1], PLACE[::-1], ["".join(PLACE)]):
        with pytest.raises(NotOpened):
            keys.open(KEY, sealed, context)


def test_VA_04_parts_are_bound_by_length_not_by_a_separator() -> None:
    sealed = keys.seal(KEY, b"secret", ("a:b", "c"))
    for context in (("a", "b:c"), ("a:b:c",), ("a:bc", ""), ("a:b", "c", "")):
        with pytest.raises(NotOpened):
            keys.open(KEY, sealed, context)


def test_VA_05_every_flipped_bit_is_refused_with_one_kind_of_error() -> None:
    sealed = keys.seal(KEY, b"a secret of some length", PLACE)
    for place in range(len(sealed)):
        for bit in range(8):
            damaged = bytearray(sealed)
            damaged[place] ^= 1 << bit
            with pytest.raises(NotOpened):
                keys.open(KEY, bytes(damaged), PLACE)
    for length in range(len(sealed)):
        with pytest.raises(NotOpened):
            keys.open(KEY, sealed[:length], PLACE)


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_VA_05_the_reader_of_headers_takes_anything_without_another_error(data: bytes) -> None:
    for read in (lambda: keys.key_id(data), lambda: keys.open(KEY, data, PLACE)):
        with pytest.raises(NotOpened):
            read()
            raise NotOpened


def test_VA_05_an_unknown_version_says_so() -> None:
    sealed = bytearray(keys.seal(KEY, b"x", PLACE))
    sealed[0] = 9
    with pytest.raises(NotOpened, match="version 9"):
        keys.open(KEY, bytes(sealed), PLACE)


def test_another_key_with_the_same_id_opens_nothing() -> None:
    with pytest.raises(NotOpened):
        keys.open(Key("dk_1", bytes(32)), keys.seal(KEY, b"x", PLACE), PLACE)
    with pytest.raises(NotOpened, match="another key"):
        keys.open(Key("dk_2", bytes(range(32))), keys.seal(KEY, b"x", PLACE), PLACE)


_FORKS = """
import os, sys
from isthmus.engine import keys
key = keys.Key("dk_1", bytes(32))
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        sys.stdout.buffer.write(b"".join(keys.seal(key, b"", [])[7:19] for _ in range(2000)))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_VA_06_nonces_do_not_repeat_not_even_in_forked_processes() -> None:
    data = subprocess.run([sys.executable, "-c", _FORKS], capture_output=True, check=True).stdout
    assert len(data) == 12 * 8_000
    assert len({data[start : start + 12] for start in range(0, len(data), 12)}) == 8_000


def test_a_key_shows_itself_nowhere() -> None:
    assert "***" in repr(KEY)
    assert str(bytes(range(32))) not in repr(vars(type(KEY))) + repr(KEY)
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    ring = keys.load(text=Secret(GOOD))
    assert ring is not None
    assert GOOD not in repr(ring)


def test_keys_come_from_every_source_and_the_first_one_seals(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the old one\n{'ab' * 32}\n\n{GOOD.rstrip('=')} # and another\n")
    ring = keys.load(
        text=Secret("cd" * 32),
        text_name="ISTHMUS_VAULT__MASTER_KEY",
        file=file,
        command=f"{sys.executable} -c \"print('{'ef' * 32}')\"",
    )
    assert ring is not None
    assert ring.primary.material == bytes.fromhex("cd" * 32)
    assert len(ring.ids) == 4
    assert ring.sources == ("ISTHMUS_VAULT__MASTER_KEY", f"the file {file}", "the master key command")
    assert ring.get(keys.master_key(bytes(range(32))).id) is not None
    assert ring.get("mk_unknown") is None
    assert keys.load() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no master key"),
        ("# only a comment", "holds no master key"),
        ("abc!", "neither base64 nor hex"),
        (base64.b64encode(bytes(31)).decode(), "31 bytes"),
        (base64.b64encode(bytes(33)).decode(), "33 bytes"),
        ("00" * 16, "bytes; a master key has 32"),
        (f"{GOOD}\nshort", "key 2 of"),
    ],
)
def test_VA_08_a_bad_key_is_said_with_its_source_and_never_quoted(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "master.key"
    file.write_text(text)
    with pytest.raises(MasterKeyUnusable, match=said) as caught:
        keys.load(file=file)
    assert str(file) in str(caught.value)
    assert not text or text not in str(caught.value)
    assert file.read_text() == text


def test_VA_08_a_source_that_gives_nothing_is_named(tmp_path: Path) -> None:
    for source, said in (
        ({"file": tmp_path / "missing"}, "missing cannot be read"),
        ({"file": tmp_path}, "cannot be read"),
        ({"command": "/nowhere/at-all"}, "cannot be run"),
        ({"command": "false"}, "exit code 1"),
        ({"command": "'unclosed"}, "cannot be run"),
    ):
        with pytest.raises(MasterKeyUnusable, match=said):
            keys.load(**source)
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(200, 232)))
    with pytest.raises(MasterKeyUnusable, match="not base64 or hex"):
        keys.load(file=binary)


def test_IN_06_a_key_command_gets_words_without_a_shell_and_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_AUTH__HS256", "canary")
    monkeypatch.setenv("KEY_SERVICE", "there")
    seen = tmp_path / "seen"
    program = tmp_path / "program.py"
    program.write_text(
        "import os, pathlib, sys\n"
        f"pathlib.Path({str(seen)!r}).write_text(repr((sys.argv[1:], dict(os.environ))))\n"
        "print('ab' * 32)\n"
    )
    assert keys.load(command=f"{sys.executable} {program} ';' 'touch {tmp_path}/made' '$KEY_SERVICE' '|' cat")
    said = seen.read_text()
    assert f"[';', 'touch {tmp_path}/made', '$KEY_SERVICE', '|', 'cat']" in said
    assert "'KEY_SERVICE': 'there'" in said
    assert "canary" not in said
    assert not (tmp_path / "made").exists()


def test_a_first_start_makes_one_private_key_and_never_replaces_one(tmp_path: Path) -> None:
    file = tmp_path / "home" / "master.key"
    ring = keys.make(file)
    assert isinstance(ring, KeyRing)
    assert file.stat().st_mode & 0o077 == 0
    again = keys.load(file=file)
    assert again is not None
    assert again.ids == ring.ids
    before = file.read_bytes()
    with pytest.raises(MasterKeyUnusable, match="exists"):
        keys.make(file)
    assert file.read_bytes() == before
