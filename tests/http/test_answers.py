"""Answers that are files: their names break out of nothing, and nobody gets one without signing in (CS-05)."""

from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journeys.routes import CASES

from isthmus.http import attachment


def _read(header: str) -> tuple[str, str]:
    """The plain name and the whole one, as a reader of RFC 6266 takes them."""
    message = Message()
    message["content-disposition"] = header
    _, _, whole = header.partition("filename*=UTF-8''")
    plain = str(message.get_param("filename", header="content-disposition") if not whole else "")
    return plain, unquote(whole, errors="strict") if whole else plain


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("orders.csv", "orders.csv"),
        ('a"b; filename="evil.exe', 'a"b; filename="evil.exe'),
        (
            "a\r\nSet-Cookie: x=1\r\n\r\n<script>.csv",
            "a\ufffd\ufffdSet-Cookie: x=1\ufffd\ufffd\ufffd\ufffd<script>.csv",
        ),
        ("report-\u202evsc.exe", "report-\ufffdvsc.exe"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("..\\x", ".._x"),
        ("\u0110\u01a1n h\u00e0ng.csv", "\u0110\u01a1n h\u00e0ng.csv"),
        ("", "file"),
    ],
)
def test_CS_05_a_name_with_quotes_lines_or_turned_letters_is_only_a_name(name: str, shown: str) -> None:
    header = attachment(name)["content-disposition"]
    assert _read(header)[1] == shown


@given(st.text(max_size=300))
def test_CS_05_any_name_is_one_plain_line(name: str) -> None:
    header = attachment(name)["content-disposition"]
    assert header.isascii()
    assert header.isprintable()
    assert header.startswith('attachment; filename="')
    assert header.count('"') == 2
    plain, whole = header.split('"')[1], _read(header)[1]
    assert plain
    assert not {"/", "\\"} & {*plain, *whole}


def test_CS_05_a_download_has_no_link_that_works_for_others() -> None:
    files = [one for one in CASES if one.route.declaration and one.route.declaration.media_type in _FILES]
    assert len(files) >= 4
    assert [str(one) for one in files if one.permission is None] == []


_FILES = {"text/csv", "application/x-ndjson", "application/octet-stream"}
