"""Facts about uploads."""

from typing import ClassVar

from isthmus.kit.events import Event


class UploadStarted(Event):
    """A file of products was received whole and waits to be worked off."""

    type: ClassVar[str] = "upload.started"


class UploadFinished(Event):
    """A file of products was worked off: what was created, updated, unchanged and refused."""

    type: ClassVar[str] = "upload.finished"
    audited: ClassVar[bool] = False


class UploadFailed(Event):
    """A file of products could not be worked off, or nothing of it was written because of its errors."""

    type: ClassVar[str] = "upload.failed"
    audited: ClassVar[bool] = False


class UploadCancelled(Event):
    """Somebody stopped an upload; what was written until then stays."""

    type: ClassVar[str] = "upload.cancelled"


class MappingSaved(Event):
    """Somebody saved which columns of a file mean what."""

    type: ClassVar[str] = "upload_mapping.saved"


class MappingRemoved(Event):
    """Somebody removed a saved mapping."""

    type: ClassVar[str] = "upload_mapping.removed"


class ProductSyncConfigured(Event):
    """Somebody set how the tenant's products are synced."""

    type: ClassVar[str] = "product_sync.configured"


EMITS = (
    UploadStarted,
    UploadFinished,
    UploadFailed,
    UploadCancelled,
    MappingSaved,
    MappingRemoved,
    ProductSyncConfigured,
)
