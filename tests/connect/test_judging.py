"""What stands before a platform's envelope: gateways, half bodies, statuses."""

from datetime import UTC, datetime

import pytest

from isthmus.client import Response
from isthmus.client.errors import MalformedBody
from isthmus.connect import judging, reading


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{}", True),
        (b" [1]\n", True),
        (b"", False),
        (b"{", False),
        (b"<html>", False),
        (b'{"a":[1', False),
        (b"{]", False),
    ],
)
def test_only_whole_json_counts(content: bytes, expected: bool) -> None:
    assert judging.is_json(Response(200, {}, content)) is expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, None), (204, None), (400, "caller"), (401, "token"), (403, "refused"), (404, "not_found"),
     (408, "transient"), (418, "caller"), (429, "throttled"), (500, "transient"), (503, "transient"), (302, "caller")],
)  # fmt: skip
def test_a_status_has_its_kind(status: int, kind: str | None) -> None:
    verdict = judging.by_status(Response(status, {}, b""))
    assert (verdict.kind if verdict else None) == kind


def test_a_page_with_200_is_transient() -> None:
    assert judging.unreadable(Response(200, {}, b"<html>")).kind == "transient"


@pytest.mark.parametrize(("code", "last"), [("product.error_param", "error_param"), ("plain", "plain")])
def test_codes_count_without_their_module(code: str, last: str) -> None:
    assert judging.last_part(code) == last


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"\xff", b"[" * 5000])
def test_what_cannot_be_decoded_is_named(content: bytes) -> None:
    with pytest.raises(MalformedBody):
        judging.decoded(Response(200, {}, content), reading.decoder(dict[str, int]))


@pytest.mark.parametrize("value", [None, "", "many", 1.5, []])
def test_a_page_without_a_count_is_named(value: object) -> None:
    with pytest.raises(MalformedBody):
        judging.count(value)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Thu, 05 Nov 2026 03:00:00 GMT", datetime(2026, 11, 5, 3, tzinfo=UTC)),
        ("Thu, 05 Nov 2026 03:00:00 -0000", None),
        ("soon", None),
        ("", None),
    ],
)
def test_the_far_sides_clock_is_read_where_it_shows(date: str, expected: datetime | None) -> None:
    assert judging.far_time(Response(200, {"Date": date}, b"")) == expected
