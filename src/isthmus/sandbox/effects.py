"""What took effect: every field that a write set and every act that a write did, so that tests see what came twice."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from isthmus.sandbox.clock import ShiftedClock
from isthmus.sandbox.wire import Call

#: What a field holds: money and stock as numbers, texts, whether something is on, nothing at all.
EffectValue: TypeAlias = Decimal | int | str | bool | None
_KEEP = 200_000


@dataclass(frozen=True, slots=True)
class Effect:
    """One field of one object, set by one request.

    `object` is the platform's id of what was changed (a listing, a variant, an order, a parcel), `place` the warehouse
    where a value belongs to one. `field` is our name of it (`price`, `salePrice`, `stock`, `title`, `description`,
    `published`, or what was done with an order), whatever the platform calls it. `key` is the idempotency key that the
    request bore, empty where the platform takes none.
    """

    number: int
    at: str
    #: The request that did it, as the recording numbers them, and its `METHOD /path`.
    request: int
    route: str
    seller: str
    object: str
    field: str
    value: EffectValue
    before: EffectValue = None
    place: str = ""
    key: str = ""

    @property
    def changed(self) -> bool:
        """Whether the object was different before."""
        return self.value != self.before


class Effects:
    """The last 200,000 effects of one platform, oldest first. Refused rows and refused calls leave none."""

    def __init__(self, clock: ShiftedClock) -> None:
        self._clock = clock
        self._all: deque[Effect] = deque(maxlen=_KEEP)
        self._last = 0

    def add(  # one argument per property of an effect, all but three optional
        self,
        call: Call,
        target: str,
        field: str,
        value: EffectValue,
        *,
        before: EffectValue = None,
        place: str = "",
        key: str = "",
    ) -> Effect:
        """Note that the call set `field` of the object `target`, in the moment in which it takes effect.

        The seller is the one that the call was admitted for. An act that has no value, such as the shipping of an
        order, gives True; done once more it gives the same with `before=True`.
        """
        self._last += 1
        effect = Effect(
            self._last,
            self._clock.now().isoformat(),
            call.record.number,
            f"{call.method} {call.path}",
            call.record.seller or "",
            target,
            field,
            value,
            before,
            place,
            key,
        )
        self._all.append(effect)
        return effect

    def __len__(self) -> int:
        return len(self._all)

    def of(
        self,
        target: str | None = None,
        field: str | None = None,
        *,
        place: str | None = None,
        seller: str | None = None,
        after: int = 0,
    ) -> list[Effect]:
        """The effects that fit everything given; `after` is the number of an earlier one."""
        return [
            one
            for one in self._all
            if one.number > after
            and target in {None, one.object}
            and field in {None, one.field}
            and place in {None, one.place}
            and seller in {None, one.seller}
        ]

    def values(self, target: str, field: str, *, place: str | None = None) -> list[EffectValue]:
        """Every value that a field was given, in turn."""
        return [one.value for one in self.of(target, field, place=place)]

    def repeated(self) -> Sequence[Effect]:
        """The effects that set what was so already: a write that took effect twice shows as one of them.

        Empty as long as nobody asks for a value that the platform has.
        """
        return [one for one in self._all if not one.changed]

    @property
    def last(self) -> int:
        """The number of the newest effect, for `of(after=...)`."""
        return self._last

    def clear(self) -> None:
        """Forget them; the numbers go on."""
        self._all.clear()
