"""Files of XML: what a record becomes, and that nothing in one reaches beyond it (security.md PA-07)."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given as drawn
from hypothesis import strategies as st
from tests.given import records as shelf
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.records import ListingFilter
from isthmus.features.uploads import State
from isthmus.features.uploads.errors import UnreadableFile
from isthmus.features.uploads.model import markup
from isthmus.features.uploads.service import running
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

_HEAD = '<?xml version="1.0"?>\n<rss xmlns:wp="http://wordpress.org/export/1.2/"><channel>'
_TAIL = "</channel></rss>"
_MAPPING = {
    "key": "code",
    "product": {"title": "name", "category": {"column": "groups.group", "split": "\n"}},
    "variant": {"sku": "code", "price": "price"},
    "options": [{"each": ["choice."]}],
}
_FEED = (
    "<catalogue><title>Not a product</title>"
    "<product><code>A&amp;1</code><name>Tea</name><price>2.50</price><groups><group>Food</group><group>Hot</group></groups>"
    "<choice><size>S</size></choice></product>"
    "<product><code>B2</code><name><![CDATA[<Mug>]]></name><price>7</price></product></catalogue>"
)


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    yield given.scope(database, tmp_path)
    await shelf.clear(copied)


def _post(number: int, kind: str, parent: int, title: str, *pairs: tuple[str, str]) -> str:
    metas = "".join(
        f"<wp:postmeta><wp:meta_key>{name}</wp:meta_key><wp:meta_value>{value}</wp:meta_value></wp:postmeta>"
        for name, value in pairs
    )
    return (
        f"<item><title>{title}</title><wp:post_id>{number}</wp:post_id><wp:post_type>{kind}</wp:post_type>"
        f"<wp:post_parent>{parent}</wp:post_parent><wp:status>publish</wp:status>{metas}</item>"
    )


def _read(text: str | bytes) -> list[Any]:
    return list(markup.records(io.BytesIO(text.encode() if isinstance(text, str) else text)))


async def _titles(scope: Scope) -> dict[str, str]:
    page = await records.listings(scope, ListingFilter(), Ask(100))
    return {row["external_id"]: row["title"] for row in page.items}


def test_names_values_lists_attributes_and_pairs_of_a_record() -> None:
    record = (
        '<list><item id="7"><name lang="vi">Trà</name><tag>a</tag><tag>b</tag><size><x>1</x></size>'
        "<meta><key>colour</key><value>red</value></meta><none/></item></list>"
    )
    assert _read(record) == [
        {
            "name": "Trà",
            "name[lang=vi]": "Trà",
            "tag": "a\nb",
            "size.x": "1",
            "meta.colour": "red",
            "none": "",
            "id": "7",
        }
    ]


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/a"> %x;]>',
    ],
)
async def test_PA_07_entities_and_document_types_are_refused_whole(scope: Scope, declared: str) -> None:
    upload = await given.taken(scope, f"<?xml version='1.0'?>{declared}{_FEED}", "feed.xml", mapping=_MAPPING)
    assert (upload.state, upload.rows, await _titles(scope)) == (State.FAILED, 0, {})
    assert "refused" in (upload.error_message or "")


@pytest.mark.parametrize(
    "body",
    [
        "<a>" * 40,
        "<a><item>" + "<b>" * 5_000,
        "<a><item><x>" + "x" * (markup.RECORD + 200_000) + "</x></item></a>",
        "<a><b>" + "x" * (markup.RECORD + 200_000) + "</b></a>",
        "<a><item>" + "".join(f"<n{n}/>" for n in range(3_000)) + "</item></a>",
        "<a><item></b></a>",
        "<a>&nothing;</a>",
    ],
    ids=["deep", "deep record", "large record", "no record", "many values", "crossed", "unknown entity"],
)
def test_PA_07_what_is_too_deep_too_large_or_broken_is_refused_with_a_reason(body: str) -> None:
    with pytest.raises((markup.Broken, UnreadableFile)):
        _read(body)


@drawn(st.binary(max_size=300) | st.text(alphabet="<>/ab&;! '\"=[]-?item", max_size=200).map(str.encode))
def test_PA_01_any_bytes_end_in_records_or_in_a_reason(body: bytes) -> None:
    with contextlib.suppress(markup.Broken, UnreadableFile):
        assert isinstance(_read(body), list)


async def test_a_mapping_names_elements_and_options(scope: Scope) -> None:
    upload = await given.taken(scope, _FEED, "feed.xml", mapping=_MAPPING)
    assert (upload.state, upload.kind, given.counts(upload)) == (State.SUCCEEDED, "xml", (2, 0, 0, 0))
    assert await _titles(scope) == {"A&1": "Tea", "B2": "<Mug>"}
    found = (await records.contents(scope, "own", ["A&1"]))["A&1"]
    assert found.category_path == ("Food", "Hot")
    assert [(one.name, one.value) for one in found.variants[0].option_values] == [("size", "S")]
    again = await given.taken(scope, _FEED.replace("7</price>", "8</price>"), "feed.xml", mapping=_MAPPING)
    assert given.counts(again) == (0, 1, 1, 0)


async def test_a_shops_own_export_joins_products_variations_and_pictures(scope: Scope) -> None:
    shop = _HEAD + "".join(
        (
            _post(5, "product_variation", 4, "Tea S", ("_sku", "t-s"), ("_price", "2"), ("attribute_pa_size", "S")),
            _post(4, "product", 0, "Tea", ("_sku", "t")),
            _post(6, "attachment", 4, "tea.jpg").replace(
                "</item>", "<wp:attachment_url>http://x/1</wp:attachment_url></item>"
            ),
            _post(7, "attachment", 99, "of a page"),
            _post(8, "page", 0, "About us"),
            _post(9, "product", 0, "Set", ("_sku", "set")).replace(
                "</item>", '<category domain="product_type">grouped</category></item>'
            ),
        )
    )
    upload = await given.taken(scope, shop + _TAIL, "shop.xml")
    assert (upload.format, given.counts(upload), await given.wrong(scope, upload)) == (
        "woocommerce-xml",
        (1, 0, 0, 0),
        [],
    )
    tea = (await records.contents(scope, "own", ["t"]))["t"]
    assert ([one.url for one in tea.images], [one.sku for one in tea.variants]) == (["http://x/1"], ["t-s"])


async def test_a_file_that_breaks_off_keeps_what_came_before_and_names_the_place(scope: Scope) -> None:
    upload = await given.taken(scope, _FEED[:-40], "feed.xml", mapping=_MAPPING)
    assert given.counts(upload) == (1, 0, 0, 1)
    assert "after record 1" in (await given.wrong(scope, upload))[0]["reason"]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
async def test_encodings_are_as_the_file_says(scope: Scope, encoding: str) -> None:
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    body = f'<?xml version="1.0" encoding="{named}"?>\n' + _FEED.replace("Tea", "Thé")
    await given.taken(scope, body.encode(encoding), "feed.xml", mapping=_MAPPING)
    assert (await _titles(scope))["A&1"] == "Thé"


async def test_a_web_page_is_no_file_of_products(scope: Scope) -> None:
    upload = await given.taken(scope, "<!DOCTYPE html>\n<html><body>Sign in</body></html>", "feed.xml")
    assert upload.state is State.FAILED
    assert "web page" in (upload.error_message or "")


async def test_a_worker_that_dies_goes_on_behind_the_records_that_were_stored(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = "<a>" + "".join(f"<item><code>{n}</code><name>N{n}</name></item>" for n in range(10)) + "</a>"
    upload = await given.sent(scope, feed, "feed.xml", mapping=_MAPPING)
    write, calls = records.write_listings, 0

    async def cut(*given_: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise asyncio.CancelledError
        return await write(*given_)

    monkeypatch.setattr(records, "write_listings", cut)
    with pytest.raises(asyncio.CancelledError):
        await running.work(scope, upload.id)
    await running.work(scope, upload.id)
    assert len(await _titles(scope)) == 10


def test_records_are_read_one_by_one_whatever_the_files_length() -> None:
    class Endless(io.RawIOBase):
        served = 0

        def read(self, size: int = -1, /) -> bytes:
            self.served += 1
            return b"<a>" if self.served == 1 else b"<item><code>1</code></item>" * (size // 27)

    found = markup.records(Endless())
    assert [next(found)["code"] for _ in range(20_000)] == ["1"] * 20_000
