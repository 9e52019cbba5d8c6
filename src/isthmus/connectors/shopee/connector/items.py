"""Reads one page of items: ids by time of change, then their details in fifties, then the models of each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec

from isthmus.client import ClientError, Missing
from isthmus.connect import judging, reading, walk
from isthmus.connect.reading import Loose
from isthmus.connect.spi import RawRecord, Session
from isthmus.connectors.shopee import mapping

A = TypeVar("A")
T = TypeVar("T")

API = "/api/v2"
#: Neither ten pages nor twenty get near the offset that the platform refuses ("get items offset over limit").
RULES = walk.Rules(page=100, most=1_000)
#: Items whose details one call gives.
DETAILS = 50
#: Calls of one page that are under way at a time; the limiter in the client still decides when each leaves.
_AT_ONCE = 5


class _List(msgspec.Struct):
    item: list[msgspec.Raw] | None = None
    total_count: Loose = None
    has_next_page: Loose = None
    next_offset: Loose = None


class _ListReply(msgspec.Struct):
    response: _List


class _Items(msgspec.Struct):
    item_list: list[msgspec.Raw] | None = None


class _ItemsReply(msgspec.Struct):
    response: _Items


class _ModelsReply(msgspec.Struct):
    response: msgspec.Raw


class _Head(msgspec.Struct):
    item_id: Loose = None
    has_model: Loose = None


_LIST = reading.decoder(_ListReply)
_ITEMS = reading.decoder(_ItemsReply)
_MODELS = reading.decoder(_ModelsReply)
_HEAD = reading.decoder(_Head)


class Listed(msgspec.Struct, frozen=True):
    """One page of the list: ids in order with what the list said of each."""

    rows: dict[str, msgspec.Raw]
    total: int
    last: bool
    next_offset: int | None


async def listed(session: Session, at: walk.Walk) -> Listed:
    """The ids of one page. Raises client errors."""
    query = {
        "offset": at.offset,
        "page_size": RULES.page,
        "update_time_from": at.start if at.bounded(RULES) else None,
        "update_time_to": at.stop,
        "item_status": mapping.EVERY_STATUS,
    }
    answer = await session.client.get(f"{session.app_hosts['api']}{API}/product/get_item_list", query=query)
    page = judging.decoded(answer, _LIST).response
    items = page.item or []
    keys = reading.keys(items, _HEAD, _id)
    more = reading.truth(page.has_next_page) and bool(items)
    ahead = judging.count(page.next_offset) if more and not reading.absent(page.next_offset) else None
    return Listed(dict(zip(keys, items, strict=True)), judging.count(page.total_count), not more, ahead)


def following(at: walk.Walk, page: Listed) -> walk.Step:
    """Where to read after this page."""
    return walk.after(at, RULES, page.rows, total=page.total, last=page.last, next_offset=page.next_offset)


async def records(session: Session, page: Listed, read_at: datetime) -> list[RawRecord]:
    """Details and models of every item of the page, put together. Raises client errors."""
    ids = [one for one in page.rows if one]
    batches = [ids[start : start + DETAILS] for start in range(0, len(ids), DETAILS)]
    items: dict[str, msgspec.Raw] = {}
    for found in await together(partial(details, session), batches):
        items |= found
    with_models = [one for one, raw in items.items() if _has_models(raw)]
    models = dict(zip(with_models, await together(partial(_models, session), with_models), strict=True))
    return [RawRecord(one, _joined(raw, items.get(one), models.get(one)), read_at) for one, raw in page.rows.items()]


async def fetch(session: Session, item_id: str, read_at: datetime) -> RawRecord | None:
    """One item with its models; None where the platform does not show it."""
    row = msgspec.Raw(msgspec.json.encode({"item_id": item_id}))
    (found,) = await records(session, Listed({item_id: row}, 1, True, None), read_at)
    return None if b',"item":null,' in found.payload else found


async def details(session: Session, ids: Sequence[str]) -> dict[str, msgspec.Raw]:
    """What up to fifty items are, by id; those that have gone are missing. Raises client errors."""
    query = {"item_id_list": ",".join(ids)}
    try:
        answer = await session.client.get(f"{session.app_hosts['api']}{API}/product/get_item_base_info", query=query)
    except Missing:
        return {}  # all of them went between the two calls
    found = judging.decoded(answer, _ITEMS).response.item_list or []
    return dict(zip(reading.keys(found, _HEAD, _id), found, strict=True))


async def _models(session: Session, item_id: str) -> bytes | None:
    url = f"{session.app_hosts['api']}{API}/product/get_model_list"
    try:
        answer = await session.client.get(url, query={"item_id": item_id})
    except Missing:
        return None  # the item went between the two calls; its next state comes with the next pull
    return bytes(judging.decoded(answer, _MODELS).response)


async def together(call: Callable[[A], Awaitable[T]], over: Iterable[A]) -> list[T]:
    """`call` for each, a few at a time; results in order. The first failure ends the others and is raised as it is."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(what: A) -> T:
        async with gate:
            return await call(what)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(what)) for what in over]
    except* ClientError as failed:
        raise _first(failed) from None
    return [task.result() for task in tasks]


def _first(group: BaseExceptionGroup[ClientError]) -> ClientError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _id(head: _Head) -> Loose:
    return head.item_id


def _has_models(raw: msgspec.Raw) -> bool:
    return reading.truth(_HEAD.decode(raw).has_model)


def _joined(listed_as: msgspec.Raw, item: msgspec.Raw | None, models: bytes | None) -> bytes:
    """The record that `mapping` reads; each part keeps the platform's bytes."""
    parts = (
        b'{"listed":',
        bytes(listed_as),
        b',"item":',
        bytes(item or b"null"),
        b',"models":',
        models or b"null",
        b"}",
    )
    return b"".join(parts)
