"""What passes between the platform and a connector's process: strangers' bytes are frames or refused (PL-05)."""

import socket
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.client import ACCEPTED, ClientError, Failure, PlatformError, Response
from isthmus.client.errors import every_error
from isthmus.connect.acting import WrongDetail
from isthmus.connect.apart import Crashed, faults, frames, wire
from isthmus.connect.apart.held import Held
from isthmus.connect.faults import DATA_FAULTS, CursorUnreadable
from isthmus.connect.record import Record
from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.connect.spi import Unmappable
from isthmus.connect.writing import Edit, EditField

LISTING = Listing("1", "Tea", ListingStatus.ACTIVE, "live", ())
VALUES = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text()
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4)


@given(st.binary(max_size=200))
def test_PL_05_any_bytes_are_a_frame_or_refused(body: bytes) -> None:
    for read in (frames.read_up, frames.read_down):
        try:
            read(body)
        except frames.Malformed:
            continue


def test_PL_05_no_frame_is_larger_than_the_cap_either_way() -> None:
    with pytest.raises(frames.Malformed):
        frames.packed(frames.Done(1, bytes(frames.LARGEST)))
    with pytest.raises(frames.Malformed):
        frames.length(b"\xff\xff\xff\xff")


def test_PL_05_a_frame_has_so_many_seconds_in_all_however_it_comes() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(frames.packed(frames.Done(1, b"abc"))[:-1])
        left = iter([1.0, 1.0, 0.0])
        with pytest.raises(TimeoutError):
            frames.receive(near, lambda: next(left))


@given(VALUES, VALUES)
def test_values_keep_their_kind_on_the_way(value: Decimal | int | str | bool | None, before: Decimal | None) -> None:
    edit = Edit("k", EditField.PRICE, value, LISTING, None, "", before, "VND")
    try:
        packed = msgspec.msgpack.encode(wire.sent_edit(edit))
    except UnicodeEncodeError:
        return  # a lone surrogate is in no edit: texts are storable
    home = wire.edit_of(msgspec.msgpack.decode(packed, type=wire.SentEdit))
    assert home == edit
    assert (type(home.value), type(home.based_on)) == (type(value), type(before))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=2))
def test_records_keep_their_bodies_on_the_way(body: dict[str, object]) -> None:
    record = Record("1", "Tea", body=body)
    packed = msgspec.msgpack.encode(wire.sent_record(record))
    assert wire.record_of(msgspec.msgpack.decode(packed, type=wire.SentRecord)) == record


@pytest.mark.parametrize("failure", [None, ACCEPTED, Failure(kind="throttled", code="slow", retry_after=2.5)])
def test_judgements_stay_what_they_are(failure: Failure | None) -> None:
    packed = msgspec.msgpack.encode(wire.sent_verdict(failure))
    home = wire.failure_of(msgspec.msgpack.decode(packed, type=wire.Verdict))
    assert home == failure
    assert (home is ACCEPTED) == (failure is ACCEPTED)


def _home(error: BaseException) -> Exception:
    return faults.error_of(msgspec.msgpack.decode(msgspec.msgpack.encode(faults.fault_of(error)), type=frames.Fault))


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_each_failure_of_the_client_comes_home_as_itself(kind: type[ClientError]) -> None:
    error = kind("Slow down.")
    error.sent, error.retry_safe, error.retry_after, error.attempts = True, True, 7.0, 3
    if isinstance(error, PlatformError):
        error.code, error.status, error.reply = "x1", 429, Response(429, {"A": "b"}, b"body")
    home = _home(error)
    assert type(home) is kind
    assert isinstance(home, ClientError)
    for name in ("message", "code", "sent", "retry_safe", "retry_after", "attempts"):
        assert getattr(home, name) == getattr(error, name), name
    if isinstance(home, PlatformError):
        assert (home.status, home.body) == (429, b"body")
        assert isinstance(home.reply, Response)


def test_a_connectors_own_words_come_home() -> None:
    refused = _home(Unmappable("It has no \ud800 title."))
    assert isinstance(refused, Unmappable)
    assert refused.reason == "It has no \ufffd title."
    wrong = _home(WrongDetail("carrier", "No such carrier."))
    assert isinstance(wrong, WrongDetail)
    assert (wrong.name, wrong.reason) == ("carrier", "No such carrier.")
    assert isinstance(_home(CursorUnreadable("old")), CursorUnreadable)


@pytest.mark.parametrize("kind", DATA_FAULTS, ids=lambda kind: kind.__name__)
def test_what_its_code_raises_of_strange_records_stays_a_fault_of_the_record(kind: type[Exception]) -> None:
    assert isinstance(_home(kind("x")), DATA_FAULTS)


def test_what_nobody_knows_is_a_crash() -> None:
    assert isinstance(_home(OSError("secret words")), Crashed)
    assert "secret words" not in str(_home(OSError("secret words")))


def test_PL_05_long_computations_are_too_much_together_and_short_ones_never_are() -> None:
    held = Held()
    assert not any(held.add(at / 2, 0.5) for at in range(200))
    assert [held.add(200 + 4 * at, 4.0) for at in range(4)] == [False, False, True, False]
    apart = Held()
    assert not any(apart.add(31.0 * at, 4.0) for at in range(20)), "those of an older minute are forgotten"
