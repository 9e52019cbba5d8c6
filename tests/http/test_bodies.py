"""Bodies and queries from outside: one strict reading, every wrong field at once, nothing echoed."""

import json
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import pytest
from fastapi import Query, UploadFile
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field
from tests.http.conftest import Lab, MakeLab

from isthmus.http import Routes, Wire, document
from isthmus.http.bodies import parse_json, parse_query
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import USER, permission

USE = permission("bodies:use", "use it", USER)


class Inner(Wire):
    shop_id: int
    kind: Literal["a", "b"]


class Body(Wire):
    display_name: str = Field(min_length=2)
    inner: Inner | None = None
    anything: Any = None


def routes() -> Routes:
    made = Routes(prefix="/api/bodies", tag="Bodies")

    @made.post("", permission=USE, limit="other", response_model=None, summary="Post", body_cap=4000)
    async def post(body: Body) -> Any:
        return document({"name": body.display_name, "inner": body.inner, "anything": body.anything})

    @made.get("", permission=USE, limit="other", response_model=None, summary="Get")
    async def get(
        page_size: Annotated[int, Query(alias="pageSize", ge=1, le=9)] = 5,
        sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "asc",
        tags: Annotated[list[str] | None, Query()] = None,
    ) -> Any:
        return document({"pageSize": page_size, "sortOrder": sort_order, "tags": tags})

    @made.post("/upload", permission=USE, limit="other", response_model=None, summary="Upload", body_cap=3000)
    async def upload(file: UploadFile) -> Any:
        return document({"size": len(await file.read())})

    return made


async def post(here: Lab, content: bytes, **headers: str) -> tuple[int, Any, str]:
    given_headers = here.signed() | {"content-type": "application/json"} | headers
    answer = await here.call("POST", "/api/bodies", content=content, headers=given_headers)
    return answer.status_code, answer.json(), answer.text


async def test_a_body_is_read_in_camel_case(lab: MakeLab) -> None:
    status, body, _ = await post(lab(routes()), b'{"displayName": "Hoa", "inner": {"shopId": 7, "kind": "a"}}')
    assert status == 200
    assert body["inner"] == {"shopId": 7, "kind": "a"}


async def test_every_wrong_field_is_named_at_once(lab: MakeLab) -> None:
    status, body, _ = await post(lab(routes()), b'{"displayName": "x", "inner": {"shopId": "s", "kind": 1}, "bad": 1}')
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    paths = [field["path"] for field in body["error"]["details"]["fields"]]
    assert sorted(paths) == ["bad", "displayName", "inner.kind", "inner.shopId"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "This request needs a body"),
        (b"[1]", "The body has to be a JSON object."),
        (b'"x"', "The body has to be a JSON object."),
        (b'{"displayName": ""}', "At least 2 characters are needed."),
    ],
)
async def test_what_is_wrong_is_said_in_words_for_whoever_calls(lab: MakeLab, content: bytes, message: str) -> None:
    status, body, _ = await post(lab(routes()), content)
    assert status == 400
    assert [one["message"].startswith(message) for one in body["error"]["details"]["fields"]] == [True]


async def test_LO_02_what_was_sent_is_never_said_back(lab: MakeLab, caplog: pytest.LogCaptureFixture) -> None:
    here = lab(routes())
    for body in (
        {"displayName": {"token": "s3cr3t-value"}},
        {"displayName": "ok", "inner": "s3cr3t-value"},
        {"displayName": "ok", "inner": {"shopId": "s3cr3t-value", "kind": "s3cr3t-value"}},
        {"wrong": "s3cr3t-value"},
    ):
        status, _, text = await post(here, json.dumps(body).encode())
        assert status == 400
        assert "s3cr3t" not in text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[" * 100_000,
        b'{"displayName": NaN}',
        b'{"displayName": "ab", "anything": ' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"displayName": "\\ud800"}',
        b'{"displayName": "a\\u0000b"}',
        b'{"displayName": "ab", "anything": 1e400}',
        b"\xff\xfe",
        b"'ab'",
    ],
)
def test_PA_01_what_is_not_strict_json_is_invalid(content: bytes) -> None:
    with pytest.raises(Invalid):
        parse_json(content)


def test_PA_01_an_escaped_backslash_before_u0000_is_text() -> None:
    assert parse_json(b'{"path": "C:\\\\u0000"}') == {"path": "C:\\u0000"}


@given(st.binary(max_size=300))
def test_PA_01_any_bytes_parse_or_are_invalid(content: bytes) -> None:
    try:
        parse_json(content)
    except Invalid:
        return
    json.loads(content)


async def test_HE_03_compressed_bodies_are_refused(lab: MakeLab) -> None:
    status, body, _ = await post(lab(routes()), b"\x1f\x8b", **{"content-encoding": "gzip"})
    assert (status, body["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=UTF-8", 200),
        ("application/jsonx", 415),
        ("application/json; charset=utf-7", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
async def test_HE_04_the_content_type_is_exact(lab: MakeLab, kind: str, status: int) -> None:
    found, _, _ = await post(lab(routes()), b'{"displayName": "Hoa"}', **{"content-type": kind})
    assert found == status


async def test_an_empty_body_misses_its_fields(lab: MakeLab) -> None:
    status, body, _ = await post(lab(routes()), b"")
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("query", "status", "paths"),
    [
        ("pageSize=3&sortOrder=desc&tags=a&tags=b", 200, []),
        ("pageSize=3&pageSize=4", 400, ["pageSize"]),
        ("page_size=3", 400, ["page_size"]),
        ("pageSize=0&sortOrder=up", 400, ["pageSize", "sortOrder"]),
        ("tags=%00", 400, []),
        ("a=1&b=2", 400, ["a", "b"]),
        ("pageSize=0&unknown=1", 400, ["unknown", "pageSize"]),
    ],
)
async def test_HE_04_queries_are_read_strictly(lab: MakeLab, query: str, status: int, paths: list[str]) -> None:
    here = lab(routes())
    answer = await here.call("GET", f"/api/bodies?{query}", headers=here.signed())
    assert answer.status_code == status
    if paths:
        assert [field["path"] for field in answer.json()["error"]["details"]["fields"]] == paths


@pytest.mark.parametrize(
    "query",
    ["access_token=s3cr3t", "api_key=s3cr3t", "pageSize=3&access_token=s3cr3t", "api_key=s3cr3t&api_key=s3cr3t"],
)
async def test_JT_12_AK_10_credentials_in_the_address_are_refused(
    lab: MakeLab, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    here = lab(routes())
    for signed in (here.signed(), {}):
        answer = await here.call("GET", f"/api/bodies?{query}", headers=signed)
        assert answer.status_code == 401
        assert "header" in answer.json()["error"]["message"]
        assert "s3cr3t" not in answer.text
    ours = [str(vars(record)) for record in caplog.records if record.name.startswith("isthmus")]
    assert any("/api/bodies" in line for line in ours), "the request is in the log"
    assert not [line for line in ours if "s3cr3t" in line]


async def test_uploads_are_streamed_forms_with_a_cap(lab: MakeLab) -> None:
    here = lab(routes())
    for size, status in ((1000, 200), (9000, 413)):
        files = {"file": ("a.csv", b"x" * size, "text/csv")}
        answer = await here.call("POST", "/api/bodies/upload", files=files, headers=here.signed())
        assert answer.status_code == status, answer.text


@settings(max_examples=200, deadline=None)
@given(st.text("ab=&?;/:@é", max_size=12).map(str.encode))
def test_a_query_without_escapes_is_read_as_the_standard_reads_it(query: bytes) -> None:
    try:
        expected: list[tuple[str, str]] | None = parse_qsl(query.decode("ascii"), keep_blank_values=True)
    except ValueError:
        expected = None
    try:
        found: list[tuple[str, str]] | None = parse_query(query)
    except Invalid:
        found = None
    assert found == expected


def test_a_query_of_too_many_pairs_is_refused() -> None:
    assert len(parse_query(b"&".join([b"a=1"] * 200))) == 200
    with pytest.raises(Invalid):
        parse_query(b"&".join([b"a=1"] * 201))
