"""The expressions of a provider's document: where they stand, and whether they can be read (pure)."""

from collections.abc import Iterator

from isthmus.connect.expressions import expression
from isthmus.features.catalog.model.document import NewProvider


def complaints(document: NewProvider) -> Iterator[tuple[str, str]]:
    """The place of each expression that cannot be read, and what is wrong there."""
    for path, source in _expressions(document):
        try:
            expression(source)
        except ValueError as error:
            yield path, f"This is not an expression: {error}."


def _expressions(document: NewProvider) -> Iterator[tuple[str, str]]:
    service = document.service
    found: list[tuple[str, str]] = []
    if service is not None and service.verify is not None:
        found += [("service.verify.account", service.verify.account), ("service.verify.name", service.verify.name)]
    if service is not None:
        found.append(("service.throttled", service.throttled))
    if service is not None and service.failing is not None:
        failing = service.failing
        found += [("service.failing.when", failing.when), ("service.failing.code", failing.code)]
        found += [("service.failing.message", failing.message)]
    for at, entity in enumerate(document.available_entities or ()):
        if entity.endpoint is not None:
            place = f"availableEntities.{at}.endpoint"
            found += [(f"{place}.items", entity.endpoint.items), (f"{place}.item", entity.endpoint.item)]
            found.append((f"{place}.search.items", entity.endpoint.search.items if entity.endpoint.search else ""))
    for at, mapping in enumerate(document.entity_mappings or ()):
        found += [
            (f"entityMappings.{at}.fieldMappings.{n}.from", one.source) for n, one in enumerate(mapping.field_mappings)
        ]
    yield from ((path, source) for path, source in found if source)
