"""Whether a provider's document can be called as it says: its headers, its paths and what must not be empty (pure)."""

import re
from collections.abc import Iterator

from isthmus.connect.service import names_in
from isthmus.features.catalog.model.document import NewProvider, ServicePart
from isthmus.features.catalog.model.words import HEADER_VALUE

#: Headers that belong to a connection or to the body; the client sets them itself.
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "keep-alive"}
)
_HEADER = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_VALUE = re.compile(HEADER_VALUE)


def complaints(document: NewProvider) -> Iterator[tuple[str, str]]:
    """The place of each part that no call could be made with, and what is wrong there."""
    if document.service is not None:
        yield from _service(document.service)
    for at, entity in enumerate(document.available_entities or ()):
        if entity.endpoint is not None:
            place = f"availableEntities.{at}.endpoint"
            yield from _path(f"{place}.path", entity.endpoint.path)
            yield from _path(f"{place}.search.path", entity.endpoint.search.path if entity.endpoint.search else "")
    for at, mapping in enumerate(document.entity_mappings or ()):
        for n, field in enumerate(mapping.field_mappings):
            if not field.source:
                yield f"entityMappings.{at}.fieldMappings.{n}.from", "It says where the value stands, such as `id`."


def _service(service: ServicePart) -> Iterator[tuple[str, str]]:
    for name, value in service.headers.items():
        yield from ((f"service.headers.{name[:50]}", said) for said in _header(name, value))
    for at, one in enumerate(service.attach):
        if one.place == "header" and one.name:
            yield from ((f"service.attach.{at}.name", said) for said in _header(one.name, ""))
    if service.failing is not None and not service.failing.when:
        yield "service.failing.when", "It says when an answer means no, such as `error`."
    if service.verify is not None:
        yield from _path("service.verify.path", service.verify.path)


def _header(name: str, value: str) -> Iterator[str]:
    if name.lower() in _OURS:
        yield "This header is set with each call and cannot be given."
    if not _HEADER.fullmatch(name):
        yield "The name of a header is made of letters, digits and hyphens."
    if not _VALUE.fullmatch(value):
        yield "The value of a header is plain text in one line, with nothing around it."


def _path(place: str, path: str) -> Iterator[tuple[str, str]]:
    if names_in(path):
        yield place, "Only hosts and credentials have parts in braces; a path is sent as it stands."
