"""Times in the schemas of answers, wherever they stand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from isthmus.http import Answer
from isthmus.http.schemas import answer_schemas

TIME = {"type": "string", "format": "date-time"}


class Inner(Answer, frozen=True, kw_only=True):
    seen_at: datetime


class Outer(Answer, frozen=True, kw_only=True):
    name: str
    made_at: datetime
    ended_at: datetime | None
    left_out_at: datetime | msgspec.UnsetType = msgspec.UNSET
    told_at: Annotated[datetime, msgspec.Meta(description="When it was told.")]
    all_at: list[datetime]
    by_name: Mapping[str, datetime]
    inner: list[Inner]
    again: "Outer | None" = None


def test_every_time_is_described_as_one_and_no_text_is() -> None:
    (described,), named = answer_schemas([Outer])
    fields = named["Outer"]["properties"]
    assert described == {"$ref": "#/components/schemas/Outer"}
    assert fields["madeAt"] == fields["leftOutAt"] == TIME
    assert fields["endedAt"] == {"anyOf": [TIME, {"type": "null"}]}
    assert fields["toldAt"] == {**TIME, "description": "When it was told."}
    assert fields["allAt"]["items"] == fields["byName"]["additionalProperties"] == TIME
    assert named["Inner"]["properties"]["seenAt"] == TIME
    assert fields["name"] == {"type": "string"}
