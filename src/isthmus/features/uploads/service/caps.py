"""What one tenant may have of uploads (security.md RL-05)."""

from typing import Final

from isthmus.feature import Cap
from isthmus.features.uploads import store
from isthmus.features.uploads.errors import UploadQuota
from isthmus.features.uploads.settings import Settings
from isthmus.scope import Scope, Tx


async def _files(_scope: Scope, tx: Tx) -> int:
    return (await store.burden(tx, held=False))[0]


async def _bytes(_scope: Scope, tx: Tx) -> int:
    return (await store.burden(tx, held=False))[1]


CAPS: Final = (
    Cap(
        name="uploads.open",
        counts="Uploads that are received or worked off.",
        unit="uploads",
        refusal=UploadQuota.code,
        limit=lambda scope: scope.part(Settings).open,
        used=_files,
    ),
    Cap(
        name="uploads.open_bytes",
        counts="What those uploads hold together.",
        unit="bytes",
        refusal=UploadQuota.code,
        limit=lambda scope: scope.part(Settings).open_bytes,
        used=_bytes,
    ),
)
