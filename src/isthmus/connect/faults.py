"""What a connector's own code may raise of a far side that does not keep to its documentation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from isthmus.client import MalformedBody

#: The failure of the record, the edit or the call at hand alone: whoever calls a connector goes on with the others.
DATA_FAULTS: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    msgspec.MsgspecError,
)


class CursorUnreadable(ValueError):
    """A cursor that this connector, as it is today, cannot go on from: everything is read from the beginning."""


@contextmanager
def in_form() -> Iterator[None]:
    """A connector's call: an answer that it did not expect becomes a failed call like any other, tried again and told.

    Raises MalformedBody for it; CursorUnreadable passes.
    """
    try:
        yield
    except CursorUnreadable:
        raise
    except DATA_FAULTS as failure:
        message = f"The platform's answer has a form that the connector does not know ({type(failure).__name__})."
        raise MalformedBody(message, reason="shape") from failure
