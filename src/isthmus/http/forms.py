"""Forms from outside: few parts with short names, files on disk and not in memory (security.md PA-10)."""

from collections.abc import Generator
from types import TracebackType

from starlette.datastructures import FormData
from starlette.requests import Request

from isthmus.kit.errors import Invalid

#: Each file may hold a megabyte of memory before it goes to disk, so there are few; none of our forms has more.
MAX_FILES, MAX_FIELDS = 4, 100
MAX_VALUE_BYTES, MAX_NAME_BYTES = 65_536, 256


class FormRequest(Request):
    """A request whose form is read within our limits, whoever asks for it."""

    def form(
        self,
        *,
        max_files: float = MAX_FILES,
        max_fields: float = MAX_FIELDS,
        max_part_size: int = MAX_VALUE_BYTES,
    ) -> "_Reading":
        """The form. Raises Invalid, and HTTPException for what is none or has too many parts."""
        limits = (min(max_files, MAX_FILES), min(max_fields, MAX_FIELDS), min(max_part_size, MAX_VALUE_BYTES))
        return _Reading(self, limits)

    async def read(self, limits: tuple[float, float, int]) -> FormData:
        """The form within these limits: files, fields, and bytes of a field."""
        files, fields, size = limits
        found = await super().form(max_files=files, max_fields=fields, max_part_size=size)
        if any(len(name.encode()) > MAX_NAME_BYTES for name, _ in found.multi_items()):
            await found.close()
            raise Invalid(f"The names of a form's parts have at most {MAX_NAME_BYTES} bytes.")
        return found


class _Reading:
    """A form on its way: it can be awaited, or entered and closed."""

    def __init__(self, request: FormRequest, limits: tuple[float, float, int]) -> None:
        self._request = request
        self._limits = limits
        self._found: FormData | None = None

    def __await__(self) -> Generator[None, None, FormData]:
        return self._request.read(self._limits).__await__()

    async def __aenter__(self) -> FormData:
        self._found = await self._request.read(self._limits)
        return self._found

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._found is not None:
            await self._found.close()
