"""What the rooms below HTTP know of a request."""

from typing import NamedTuple


class RequestFacts(NamedTuple):
    """What a scope needs to know of the request behind it, in the order of a scope's fields."""

    request_id: str
    address: str
    #: Its method and the template of its path, such as `GET /api/providers/{id}`.
    route: str = ""
