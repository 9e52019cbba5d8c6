"""What was refused, tried once more: what can still be wanted is, and all else says why not, item by item."""

from collections.abc import Mapping
from typing import Any, Final

from isthmus.connect.edits import EditField
from isthmus.features import records
from isthmus.features.connections import ConnectionNotFound, ShardTypeForbidden
from isthmus.features.pushes.errors import NothingToPush, NotWritable, WrongEdit
from isthmus.features.pushes.model.edits import Place
from isthmus.features.pushes.model.values import read
from isthmus.features.pushes.service import reading
from isthmus.features.pushes.service.shops import About, shops
from isthmus.features.pushes.service.wanting import Want, note, wished
from isthmus.features.pushes.store import pushes as store
from isthmus.features.pushes.store.edits import Wish
from isthmus.features.pushes.store.pushes import Lost
from isthmus.features.records import Whole
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, Tx

_GONE: Final = ("LISTING_GONE", "The listing was removed.")
#: What keeps all that is wanted of one connection from going out for good.
_CLOSED: Final = (ConnectionNotFound, ShardTypeForbidden, NotWritable)


async def retry(scope: Scope, push_id: str) -> str:
    """Want once more what was refused; the new push's id. What cannot be wanted any more is refused there at once.

    Raises PushNotFound, NothingToPush.
    """
    await reading.push(scope, push_id)
    async with scope.tx() as tx:
        refused = await store.refused(tx, push_id)
        wholes = await records.wholes(tx, sorted({row["listing_id"] for row in refused}))
    if not refused:
        raise NothingToPush("Nothing of this push was refused.")
    about = {id_: await _about(scope, id_) for id_ in sorted({row["connection_id"] for row in refused})}
    found = [_wanted(scope, row, wholes, about[row["connection_id"]]) for row in refused]
    async with scope.tx() as tx:
        shut = {id_: why for id_ in sorted(about) if (why := await _shut(tx, scope, id_)) is not None}
        found = [_let_through(one, shut) for one in found]
        wishes = [one for one in found if isinstance(one, Wish)]
        return await note(tx, scope, wishes, "retry", [one for one in found if isinstance(one, Lost)])


async def _about(scope: Scope, connection_id: str) -> About | Problem:
    try:
        return await shops(scope).about(scope, connection_id)
    except _CLOSED as failure:
        return failure


async def _shut(tx: Tx, scope: Scope, connection_id: str) -> tuple[str, str] | None:
    """Why nothing may pass there; where something may, it stays so until the transaction ends."""
    try:
        await shops(scope).admit(tx, connection_id)
    except _CLOSED as failure:
        return failure.code, failure.message
    return None


def _let_through(one: Wish | Lost, shut: Mapping[str, tuple[str, str]]) -> Wish | Lost:
    return Lost(one, *shut[one.connection_id]) if isinstance(one, Wish) and one.connection_id in shut else one


def _wanted(scope: Scope, row: Mapping[str, Any], wholes: Mapping[str, Whole], about: About | Problem) -> Wish | Lost:
    field = EditField(row["field"])
    place, value = Place(row["listing_id"], row["variant"], field, row["location"]), read(field, row["value"])
    wish = Wish(scope.id("edt"), row["connection_id"], place, value)
    whole = wholes.get(place.listing_id)
    if isinstance(about, Problem):
        return Lost(wish, about.code, about.message)
    if whole is None:
        return Lost(wish, *_GONE)
    try:
        return wished(scope, Want(place.listing_id, field, value, place.variant, place.location), whole, about)
    except NotWritable as failure:
        return Lost(wish, failure.code, failure.message)
    except WrongEdit as failure:
        # the value was taken once: what it is for is not there any more
        return Lost(wish, "VARIANT_GONE", failure.message)
