"""`APIEndpoint` (document 003) as data, in the vocabulary of declarative connectors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import msgspec

from isthmus.client.pages import Cursor, LinkHeader, NextUrl, Offset, PageNumber, Paging

Where = Literal["query", "path", "header", "body"]
Action = Literal["SUCCESS", "FAIL", "RETRY", "IGNORE", "RATE_LIMITED", "REFRESH_TOKEN_THEN_RETRY"]


class EndpointParam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One parameter: given by the caller under `name`, or `value`, sent as `field` (default: its name)."""

    name: str
    where: Where = "query"
    field: str | None = None
    value: str | int | float | bool | None = None
    required: bool = False

    @property
    def target(self) -> str:
        """The name it is sent under."""
        return self.field or self.name


class PageIncrement(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Pages by number."""

    page_size: int = 50
    start_from_page: int = 1
    page_field: str = "page"
    size_field: str | None = None
    total_pages_path: str | None = None

    def paging(self) -> Paging:
        """As the walk wants it."""
        return PageNumber(
            param=self.page_field,
            size_param=self.size_field,
            size=self.page_size,
            start=self.start_from_page,
            total_pages=self.total_pages_path,
        )


class OffsetIncrement(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Pages by offset and limit."""

    page_size: int = 50
    offset_field: str = "offset"
    limit_field: str = "limit"
    total_path: str | None = None

    def paging(self) -> Paging:
        """As the walk wants it."""
        return Offset(
            param=self.offset_field, limit_param=self.limit_field, limit=self.page_size, total=self.total_path
        )


class CursorPagination(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Pages by a token found in the reply."""

    cursor_path: str = "next_cursor"
    cursor_field: str = "cursor"
    more_path: str | None = None
    first: dict[str, str | int] = {}

    def paging(self) -> Paging:
        """As the walk wants it."""
        return Cursor(param=self.cursor_field, path=self.cursor_path, more=self.more_path, start=self.first)


class NextUrlPagination(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """The whole URL of the next page in the body."""

    url_path: str = "next"

    def paging(self) -> Paging:
        """As the walk wants it."""
        return NextUrl(path=self.url_path)


class LinkHeaderPagination(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """The next page in the Link header."""

    def paging(self) -> Paging:
        """As the walk wants it."""
        return LinkHeader()


Pagination = PageIncrement | OffsetIncrement | CursorPagination | NextUrlPagination | LinkHeaderPagination


class DatetimeBasedCursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Incremental reading by a time in each record.

    cursor_field: path of that time. start_field, end_field: parameters of the window. datetime_format: "iso",
    "epoch" (seconds), "epoch_ms", or a strftime format. lookback_window: read again so much before the state.
    step: at most so long a window per walk. cursor_granularity: the smallest difference the API knows, kept between
    windows. Durations are seconds.
    """

    cursor_field: str
    start_datetime: str = "1970-01-01T00:00:00+00:00"
    start_field: str | None = None
    end_field: str | None = None
    datetime_format: str = "iso"
    lookback_window: float = 0.0
    step: float | None = None
    cursor_granularity: float = 0.0

    @property
    def lookback(self) -> timedelta:
        """The look-back as a duration."""
        return timedelta(seconds=self.lookback_window)


class ResponseFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One error rule: the first whose conditions all hold decides.

    http_codes: statuses. code_path, codes: the platform's own code in the body. error_message_contains: a text in
    the body. action: what it means; code and message of the failure come from code_path and message_path.
    """

    action: Action
    http_codes: frozenset[int] = frozenset()
    code_path: str | None = None
    codes: frozenset[str] = frozenset()
    error_message_contains: str | None = None
    message_path: str | None = None
    kind: Literal["refused", "not_found", "caller", "configuration", "transient"] = "caller"


class CallRatePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls per window of one endpoint, besides the limits of the client."""

    max_requests: int
    window: float = 1.0
    strategy: Literal["sliding", "fixed", "token_bucket"] = "sliding"


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an endpoint authenticates: by the connector's policy, or not at all."""

    type: Literal["inherit", "none"] = "inherit"


class APIEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operation of an API.

    id, name: who it is. method, path: `{holes}` in the path are filled from parameters, encoded. record_path: where
    the records are. pagination, incremental: how it is walked. response_filters: error rules in order.
    """

    id: str
    name: str = ""
    integration_id: str = ""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str
    params: tuple[EndpointParam, ...] = ()
    headers: dict[str, str] = {}
    auth: AuthConfig = AuthConfig()
    record_path: str = ""
    pagination: Pagination | None = None
    incremental: DatetimeBasedCursor | None = None
    response_filters: tuple[ResponseFilter, ...] = ()
    call_rate: CallRatePolicy | None = None
    max_pages: int = 10_000

    @classmethod
    def of(cls, data: Mapping[str, object]) -> APIEndpoint:
        """An endpoint from plain data, such as parsed TOML or JSON. Raises ValueError with the place that is wrong."""
        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
