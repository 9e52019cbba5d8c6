"""Providers as YAML: out with everything but credentials, in with a look at what would differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.features.catalog.errors import ProviderNotFound
from isthmus.features.catalog.model import definitions, document, history
from isthmus.features.catalog.model.history import Difference
from isthmus.features.catalog.model.proposals import Agreed
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.service import changing
from isthmus.features.catalog.service.providers import provider
from isthmus.kit import yamls
from isthmus.kit.errors import Invalid
from isthmus.scope import Scope

_LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do."""

    provider: str
    outcome: str
    differences: list[Difference]


async def export_provider(scope: Scope, slug: str) -> str:
    """The provider's document as YAML. Raises ProviderNotFound."""
    shown = await provider(scope, slug, hidden=True)
    return yamls.written(changing.document_of(shown))


def read_file(given: str) -> dict[str, Any]:
    """A document of a YAML text, without aliases or tags. Raises Invalid."""
    try:
        read = yamls.read(given, _LIMIT)
    except ValueError as error:
        raise Invalid.field("yaml", f"The file cannot be taken: {error}.") from None
    if not isinstance(read, dict) or not all(isinstance(name, str) for name in read):
        raise Invalid.field("yaml", "This is not a provider: a mapping by field is expected.")
    return read


async def import_provider(  # house: silent - what it calls emits
    scope: Scope, given: str, *, dry_run: bool = False, agreed: Agreed | None = None
) -> Imported:
    """Make the provider that the file describes, or make the one of its id like it.

    With `dry_run` nothing is written, and what could not be taken is refused all the same. Raises Invalid, and what
    creating or changing raises.
    """
    read = read_file(given)
    wanted = document.new_provider(read)
    shown = await _known(scope, wanted.provider)
    before = changing.document_of(shown) if shown is not None else {}
    if shown is None or shown.declared:
        manifest = definitions.manifest_of(wanted)
        after = definitions.document_of(manifest, wanted.status, wanted.audience)
    else:
        after = {**before, **read}
        changing.check_changes(shown, after)
    found = history.differences(before, after)
    outcome = "created" if shown is None else "changed" if found else "unchanged"
    if not dry_run and shown is None:
        await changing.create_provider(scope, read, agreed)
    elif not dry_run and shown is not None and found:
        await changing.patch_provider(scope, shown.id, _changes(shown, before, after), agreed=agreed)
    return Imported(wanted.provider, outcome, found)


def _changes(shown: Provider, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """For one made at run time the file is all there is; for a folder's, what it does not say stays."""
    gone = dict.fromkeys(before.keys() - after.keys()) if shown.declared else {}
    return {**gone, **after}


async def _known(scope: Scope, slug: str) -> Provider | None:
    try:
        return await provider(scope, slug, hidden=True)
    except ProviderNotFound:
        return None
