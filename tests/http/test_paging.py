"""Pages: bounds, and cursors that count only for the list, the filters and the caller they were made for (SC-02)."""

import base64
from itertools import pairwise
from typing import Annotated, Any, Literal

import pytest
from fastapi import Query
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import Lab, MakeLab

from isthmus.http import PageDep, Routes
from isthmus.http.errors import BadCursor
from isthmus.http.paging import CURSOR_SECONDS, Cursors
from isthmus.kit.clock import ManualClock
from isthmus.kit.paging import Page
from isthmus.kit.permissions import USER, permission
from isthmus.kit.secret import Secret

READ = permission("pages:read", "read pages", USER)
ROWS = 250


def routes() -> Routes:
    made = Routes(prefix="/api", tag="Pages")

    async def rows(paging: PageDep, status: str | None) -> Any:
        start = int(paging.ask.after) if paging.ask.after is not None else paging.ask.offset
        items = list(range(start, min(ROWS, start + paging.ask.limit)))
        end = start + len(items)
        place = str(end) if end < ROWS and status != "offset" else None
        return paging.listing("rows", Page(items, next_after=place, total=ROWS, has_more=end < ROWS))

    @made.get("/rows", permission=READ, limit="other", response_model=None, summary="Rows")
    async def one(paging: PageDep, status: Annotated[Literal["offset", "open"] | None, Query()] = None) -> Any:
        return await rows(paging, status)

    @made.get("/others", permission=READ, limit="other", response_model=None, summary="Others")
    async def two(paging: PageDep) -> Any:
        return await rows(paging, None)

    return made


async def get(here: Lab, query: str, path: str = "/api/rows", **who: Any) -> tuple[int, Any]:
    answer = await here.call("GET", f"{path}?{query}", headers=here.signed(**who))
    return answer.status_code, answer.json()


async def test_a_list_is_walked_by_cursor_without_loss_or_repetition(lab: MakeLab) -> None:
    here = lab(routes())
    seen: list[int] = []
    query = "limit=100"
    for _ in range(3):
        _, page = await get(here, query)
        seen += page["rows"]
        query = f"limit=100&cursor={page.get('nextCursor')}"
    assert seen == list(range(ROWS))
    assert page["hasMore"] is False
    assert "nextCursor" not in page
    assert "nextOffset" not in page


async def test_a_list_is_walked_by_offset_as_002_says(lab: MakeLab) -> None:
    here = lab(routes())
    _, page = await get(here, "status=offset")
    assert (len(page["rows"]), page["limit"], page["offset"], page["total"]) == (50, 50, 0, ROWS)
    assert (page["hasMore"], page["nextOffset"]) == (True, 50)
    _, last = await get(here, "status=offset&offset=200")
    assert last["hasMore"] is False
    assert "nextOffset" not in last


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "offset=-1", "limit=50.5", "limit=", "offset=1e3"]
)
async def test_pages_out_of_bounds_are_refused(lab: MakeLab, query: str) -> None:
    status, body = await get(lab(routes()), query)
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert body["error"]["details"]["fields"][0]["path"] == query.partition("=")[0]


async def test_SC_02_a_cursor_counts_only_where_it_was_made(lab: MakeLab) -> None:
    here = lab(routes())
    _, page = await get(here, "status=open")
    cursor = page["nextCursor"]
    turned = ("A" if cursor[5] != "A" else "B").join([cursor[:5], cursor[6:]])
    refused = [
        await get(here, f"cursor={cursor}"),
        await get(here, f"status=open&cursor={turned}"),
        await get(here, f"status=open&cursor={cursor[:-2]}"),
        await get(here, "status=open&cursor=AAAA"),
        await get(here, f"cursor={cursor}", "/api/others"),
        await get(here, f"status=open&cursor={cursor}", tenant="ten_b"),
    ]
    assert [(status, body["error"]["code"]) for status, body in refused] == [(400, "INVALID_CURSOR")] * 6
    status, body = await get(here, f"status=open&cursor={cursor}&offset=5")
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert (await get(here, f"status=open&limit=7&cursor={cursor}"))[0] == 200
    here.clock.advance(CURSOR_SECONDS + 1)
    assert (await get(here, f"status=open&cursor={cursor}"))[0] == 400


@given(st.text(max_size=60), st.lists(st.text(max_size=10), max_size=4))
def test_a_cursor_gives_its_place_back(place: str, binding: list[str]) -> None:
    cursors = Cursors(Secret("k" * 32), ManualClock())
    place = place.encode("utf-8", "replace").decode()
    binding = [each.encode("utf-8", "replace").decode() for each in binding]
    assert cursors.open(cursors.seal(place, binding), binding) == place
    with pytest.raises(BadCursor):
        cursors.open(cursors.seal(place, binding), [*binding, "more"])


def test_SC_02_a_cursor_with_one_bit_changed_is_none() -> None:
    cursors = Cursors(Secret("k" * 32), ManualClock())
    cursor = cursors.seal("lst_01k00000000000000000000000", ["ten_a", "/api/listings", "status=open"])
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadCursor):
            cursors.open(
                base64.urlsafe_b64encode(changed).decode().rstrip("="), ["ten_a", "/api/listings", "status=open"]
            )


def test_SC_01_a_cursor_does_not_tell_how_far_a_number_of_all_tenants_has_come() -> None:
    cursors = Cursors(Secret("k" * 32), ManualClock())
    told = [cursors.seal(str(10_000_000 + number), ["ten_a", "/api/webhooks/deliveries"]) for number in range(200)]
    raw = [base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)) for cursor in told]
    assert not [one for one in raw if b"1000" in one]
    # of two that follow one another half of all bits differ
    apart = [(int.from_bytes(one) ^ int.from_bytes(later)).bit_count() / (8 * len(one)) for one, later in pairwise(raw)]
    assert 0.48 < sum(apart) / len(apart) < 0.52


@given(st.text(max_size=100))
def test_any_text_is_a_bad_cursor_and_nothing_worse(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursors(Secret("k" * 32), ManualClock()).open(text, [])
