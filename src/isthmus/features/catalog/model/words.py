"""What a provider's document is made of: texts of known lengths, and how its parts are read (pure)."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Line = Annotated[str, StringConstraints(max_length=200)]
Path = Annotated[str, StringConstraints(max_length=1_000)]
#: What a header can carry as it stands: printable ASCII, nothing around it.
HEADER_VALUE = r"^(?:[!-~](?:[ -~]*[!-~])?)?$"
HeaderValue = Annotated[str, StringConstraints(max_length=200, pattern=HEADER_VALUE)]
Prose = Annotated[str, StringConstraints(max_length=2_000)]
Url = Annotated[str, StringConstraints(max_length=500)]
Expression = Annotated[str, StringConstraints(max_length=500)]
Color = Annotated[str, StringConstraints(pattern=r"^(?:#[0-9a-fA-F]{6})?$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Words = Annotated[list[Word], Field(max_length=100)]
Texts = Annotated[dict[Word, Line], Field(max_length=50)]

CONFIG = ConfigDict(
    alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True
)


def is_link(address: str | None) -> bool:
    """Whether a person may be sent there; an empty one is none."""
    return not address or address.startswith(("https://", "http://"))
