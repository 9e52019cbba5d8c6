"""What is wrong with a field is said in plain words, whatever kind of field it is."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from isthmus.kit.wording import said


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["cat", "dog"] = "cat"
    names: list[str] = []
    facts: dict[str, int] = {}
    count: Annotated[int, Field(ge=1, le=9)] = 1
    colour: Annotated[str, StringConstraints(pattern="^#[0-9a-f]{6}$")] = "#000000"
    inner: "Wanted | None" = None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kind": "canary"}, "The value has to be one of 'cat' or 'dog'."),
        ({"names": "canary"}, "A list is needed."),
        ({"facts": "canary"}, "An object is needed."),
        ({"inner": "canary"}, "An object is needed."),
        ({"count": 0}, "The value has to be at least 1."),
        ({"count": 10}, "The value may be at most 9."),
        ({"count": "canary"}, "A whole number is needed."),
        ({"colour": "canary"}, "The text has to be of this form (a regular expression): ^#[0-9a-f]{6}$."),
        ({"canary": 1}, "There is no such field."),
    ],
)
def test_LO_02_a_wrong_field_is_told_in_plain_words_without_what_was_sent(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Wanted.model_validate(given)
    assert [said(one) for one in caught.value.errors()] == [words]
