"""What can go wrong with an upload, for those who sent it."""

from typing import ClassVar

from isthmus.kit.errors import Conflict, Invalid, NotFound, Problem, Unavailable


class UploadNotFound(NotFound):
    """There is no such upload.

    List the uploads to find its id.
    """


class NoRoom(Unavailable):
    """There is no place for a copy of the file, which is needed to read it.

    Make room in the folder for temporary files; an upload that waits for it goes on by itself.
    """

    code: ClassVar[str] = "STORAGE_FULL"


class UnreadableFile(Problem):
    """The file cannot be read as CSV or JSON.

    Save it as CSV (UTF-8) or JSON and send it again.
    """

    code: ClassVar[str] = "UNREADABLE_FILE"
    status: ClassVar[int] = 400


class MappingNeeded(Problem):
    """No known format has these columns.

    Send a mapping of columns to product fields with the file, or save one and name it.
    """

    code: ClassVar[str] = "MAPPING_NEEDED"
    status: ClassVar[int] = 400


class RowsRefused(Problem):
    """Rows of the file cannot be read, so nothing of it was written.

    Correct the rows that its errors name, or send it with `mode=best_effort`.
    """

    code: ClassVar[str] = "ROWS_REFUSED"
    status: ClassVar[int] = 400


class WrongMapping(Invalid):
    """The mapping cannot be followed.

    The message names the field that is wrong.
    """


class MappingInUse(Conflict):
    """The configuration of product sync names this mapping.

    Name another one there, or none, and remove this one then.
    """

    code: ClassVar[str] = "MAPPING_IN_USE"


class UploadBusy(Conflict):
    """The upload is in a state that does not allow this.

    Look at its state first; a finished upload is not changed any more.
    """

    code: ClassVar[str] = "UPLOAD_BUSY"


class WrongPart(Conflict):
    """The part does not continue what has been received.

    Ask the upload how many bytes it has, and send what follows them.
    """

    code: ClassVar[str] = "WRONG_PART"


class UploadQuota(Problem):
    """The tenant has too many open uploads, or too many bytes waiting in them.

    Wait for the others to finish, or cancel one.
    """

    code: ClassVar[str] = "UPLOAD_QUOTA"
    status: ClassVar[int] = 429


class NotConfigured(NotFound):
    """Product sync has not been configured.

    Create its configuration first.
    """

    code: ClassVar[str] = "SYNC_NOT_CONFIGURED"


class ConfigChangedMeanwhile(Conflict):
    """How products are synced was changed by somebody else since it was read.

    `details.etag` is the present tag, null where nothing is configured. Read the configuration again, and repeat the
    change with the tag of now if it still makes sense.
    """

    code: ClassVar[str] = "SYNC_CONFIG_CHANGED"


class MappingChangedMeanwhile(Conflict):
    """The mapping of this name was changed by somebody else since it was read.

    `details.etag` is the present tag, null where there is none. Read the mappings again, and repeat the change with the
    tag of now, or without one, if it still makes sense.
    """

    code: ClassVar[str] = "UPLOAD_MAPPING_CHANGED"


class SyncIdle(Conflict):
    """There is nothing to start: product sync is switched off, or takes files and events instead of reading a shop.

    Send a file, or set the source to a connection and switch it on.
    """

    code: ClassVar[str] = "SYNC_IDLE"
