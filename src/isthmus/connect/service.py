"""How a provider without code of its own is called: facts that `connect.declarative` acts on.

Texts in braces, such as `Bearer {api_key}`, are filled with credentials by the names of the manifest's fields;
`access_token` is OAuth's, and `account` is the far side's own id of us. Expressions are JMESPath over the far side's
JSON; nothing here is ever executed.
"""

from typing import Literal, TypeAlias, get_args

import msgspec

from isthmus.connect.strict import Strict

Transform: TypeAlias = Literal[
    "text", "trim", "lower", "upper", "number", "integer", "boolean", "date", "epoch", "epoch_ms",
    "plain_text", "first", "join", "count",
]  # fmt: skip
#: What a mapped field may be changed by; the list is fixed, so that a definition is data and not a program.
TRANSFORMS: tuple[str, ...] = get_args(Transform)
#: Targets of a mapping that are columns and not part of the body.
COLUMNS = ("id", "title", "url", "updatedAt", "deleted")
PagingStyle: TypeAlias = Literal["none", "page", "offset", "cursor", "link", "next_url"]
TimeFormat: TypeAlias = Literal["iso", "date", "epoch", "epoch_ms"]


class Attach(Strict, frozen=True):
    """Where a credential goes: a header, a parameter of the query, or Basic as `user:password`."""

    place: Literal["header", "query", "basic"]
    value: str
    name: str = ""


class Verify(Strict, frozen=True):
    """The harmless call that proves credentials; `account` and `name` say who they belong to."""

    path: str
    method: Literal["GET", "POST"] = "GET"
    host: str = "api"
    account: str = ""
    name: str = ""
    #: For GraphQL: the query that is posted as JSON, whatever `method` says.
    graphql: str = ""


class Failing(Strict, frozen=True):
    """How a 2xx answer says no: `when` is true then; `code` and `message` are its own words."""

    when: str
    code: str = ""
    message: str = ""


class Variable(Strict, frozen=True):
    """A part of an address that differs from one account to the next, written `{name}` in a host.

    source: `credential` where a person gives it among the credential fields, `token` where the token reply holds it.
    """

    name: str
    source: Literal["credential", "token"] = "credential"


class Service(Strict, frozen=True):
    """How calls are signed, proven and judged."""

    attach: tuple[Attach, ...] = ()
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    verify: Verify | None = None
    failing: Failing | None = None
    #: True for a refusal that means too many calls, where that is not told by status 429.
    throttled: str = ""


class Paging(Strict, frozen=True):
    """How a list goes on. `param` takes the page, offset or cursor; `cursor`, `more` and `total` are dotted paths."""

    style: PagingStyle = "none"
    param: str = ""
    size_param: str = ""
    start: int = 1
    cursor: str = ""
    more: str = ""
    total: str = ""


class Search(Strict, frozen=True):
    """The far side's own search: the words go into `param`, what is found stands at `items`."""

    path: str
    param: str
    items: str = ""
    size_param: str = ""


class Endpoint(Strict, frozen=True):
    """Where an entity is read. `items` finds the records in an answer; `since` is the parameter for changes only."""

    path: str
    host: str = "api"
    items: str = ""
    #: The path of one record, with `{id}` in it, and where it stands in the answer.
    one: str = ""
    item: str = ""
    query: dict[str, str] = msgspec.field(default_factory=dict)
    paging: Paging = Paging()
    since: str = ""
    since_format: TimeFormat = "iso"
    search: Search | None = None


class FieldMapping(Strict, frozen=True, rename={"source": "from", "target": "to"}):
    """One field's way: `from` is an expression over the record, `to` a column or a name in the body."""

    source: str
    target: str
    transform: Transform | None = None


class EntityMapping(Strict, frozen=True):
    """What an entity's records become."""

    entity: str
    shard_type: str
    field_mappings: tuple[FieldMapping, ...] = ()


class SearchAbilities(Strict, frozen=True):
    """What the provider's own search can do."""

    full_text: bool = False
    field_specific: bool = False
    filtered: bool = False


def names_in(template: str) -> tuple[str, ...]:
    """The names in braces of a template, in their order."""
    parts = template.split("{")[1:]
    return tuple(part.partition("}")[0] for part in parts)
