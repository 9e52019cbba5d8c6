"""What a far side that does not keep to its documentation does to a call."""

import pytest

from isthmus.client import MalformedBody
from isthmus.connect.faults import DATA_FAULTS, CursorUnreadable, in_form


@pytest.mark.parametrize("fault", [KeyError, TypeError, AttributeError, ZeroDivisionError, *DATA_FAULTS])
def test_an_answer_of_an_unknown_form_is_a_failed_call_that_is_tried_again(fault: type[Exception]) -> None:
    with pytest.raises(MalformedBody, match=fault.__name__) as told, in_form():
        raise fault("what the answer held")
    assert told.value.sent
    assert "what the answer held" not in str(told.value)


def test_a_place_that_is_lost_and_faults_of_ours_pass_as_they_are() -> None:
    with pytest.raises(CursorUnreadable), in_form():
        raise CursorUnreadable
    with pytest.raises(OSError, match="disk"), in_form():
        raise OSError("disk")
