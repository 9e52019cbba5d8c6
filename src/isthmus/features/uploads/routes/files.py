"""`/api/merchants/{merchantId}/product-sync/upload` and what belongs to it."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Form, Path, Query, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from isthmus.engine.blobs import BlobTooLarge
from isthmus.features import access, records
from isthmus.features.access import MerchantNotFound
from isthmus.features.uploads.errors import (
    MappingNeeded,
    UnreadableFile,
    UploadBusy,
    UploadNotFound,
    UploadQuota,
    WrongMapping,
    WrongPart,
)
from isthmus.features.uploads.model.upload import UploadFilter, UploadMode
from isthmus.features.uploads.routes.shapes import (
    MANAGE,
    READ,
    RowErrorList,
    RowErrorOut,
    UploadList,
    UploadOut,
    row_error_out,
    upload_out,
)
from isthmus.features.uploads.service import exporting, managing, receiving
from isthmus.features.uploads.service.receiving import Wish
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, accepted, attachment, created, document
from isthmus.kit.paging import Ask, Page

#: The largest request that carries a whole file; larger files come in parts.
_WHOLE = 1_100_000_000
_PART = 17_000_000
_SECONDS = 3_600.0
_PIECE = 262_144
_FORM = "multipart/form-data"

routes = Routes(prefix="/api/merchants/{merchant_id}/product-sync", tag="Product sync", envelope=True)


class PreviewOut(Answer, frozen=True, kw_only=True):
    """What a file looks like: how it is read, its first products, and what is wrong with its first rows."""

    kind: str
    encoding: str
    delimiter: str
    format: str
    columns: list[str]
    products: list[dict[str, Any]]
    errors: list[RowErrorOut]


class NewUpload(Wire):
    """A file that will come in parts; with `size`, it can only be started once that many bytes are there."""

    name: Annotated[str, Field(min_length=1, max_length=300)]
    size: Annotated[int, Field(ge=1)] | None = None
    mode: UploadMode | None = None
    format: str | None = None
    mapping_id: str | None = None
    mapping: dict[str, Any] | None = None
    currency: str | None = None
    decimal: Literal[".", ","] = "."


class SentFile(BaseModel):
    """A form with a file, and how it is to be read and written."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    file: Annotated[UploadFile, Field(description="CSV or JSON: a list, one document a line, or `{products: []}`.")]
    mode: Annotated[
        UploadMode | None,
        Field(description="What happens to good rows when there are bad ones; by the configuration when left out."),
    ] = None
    format: Annotated[str | None, Field(description="A known format; recognised when left out.")] = None
    mapping_id: Annotated[str | None, Field(alias="mappingId", description="A saved mapping.")] = None
    mapping: Annotated[str | None, Field(description="A mapping of columns, as JSON.")] = None
    currency: Annotated[str | None, Field(description="For prices that name none, such as VND.")] = None
    decimal: Annotated[Literal[".", ","], Field(description="What stands before the fraction of a number.")] = "."

    def wish(self) -> Wish:
        """The form without its file."""
        return Wish(
            name=self.file.filename or "file",
            mode=self.mode,
            format=self.format,
            mapping_id=self.mapping_id,
            mapping=_mapping(self.mapping),
            currency=self.currency,
            decimal=self.decimal,
        )


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE):
        yield piece


def _mapping(text: str | None) -> dict[str, Any] | None:
    if text is None or not text.strip():
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongMapping.field("mapping", "The mapping is no JSON document.") from None
    if not isinstance(found, dict):
        raise WrongMapping.field("mapping", "The mapping is no JSON document.")
    return found


@routes.post(
    "/upload",
    permission=MANAGE,
    limit="other",
    response_model=UploadOut,
    summary="Upload a file of products",
    status=202,
    body_cap=_WHOLE,
    deadline=_SECONDS,
    errors=(MerchantNotFound, WrongMapping, UploadQuota, records.StoreFull, BlobTooLarge),
)
async def upload_file(scope: ScopeDep, merchant_id: str, sent: Annotated[SentFile, Form(media_type=_FORM)]) -> Response:
    """The file is stored, then worked off; the answer names the upload, whose state tells how it goes on."""
    access.check_merchant(scope, merchant_id)
    return accepted(upload_out(await receiving.send(scope, sent.wish(), _pieces(sent.file)), scope.now))


@routes.post(
    "/preview",
    permission=MANAGE,
    limit="other",
    response_model=PreviewOut,
    summary="Try a file of products out",
    body_cap=_WHOLE,
    deadline=_SECONDS,
    errors=(MerchantNotFound, MappingNeeded, UnreadableFile, WrongMapping, BlobTooLarge),
)
async def preview_file(
    scope: ScopeDep, merchant_id: str, sent: Annotated[SentFile, Form(media_type=_FORM)]
) -> Response:
    """The first products as they would be stored; nothing is kept. Columns that no format knows come with a guess."""
    access.check_merchant(scope, merchant_id)
    wish = sent.wish()
    seen = await managing.preview(scope, wish, _pieces(sent.file))
    return document(
        PreviewOut(
            kind=seen.kind,
            encoding=seen.encoding,
            delimiter=seen.delimiter,
            format=seen.format,
            columns=list(seen.columns),
            products=[exporting.shown(one) for one in seen.products],
            errors=[
                RowErrorOut(line=one.line, column=one.column, value=one.value, reason=one.reason) for one in seen.errors
            ],
        )
    )


@routes.post(
    "/uploads",
    permission=MANAGE,
    limit="other",
    response_model=UploadOut,
    summary="Begin an upload that comes in parts",
    status=201,
    errors=(MerchantNotFound, WrongMapping, UploadQuota, records.StoreFull, BlobTooLarge),
)
async def begin_upload(scope: ScopeDep, merchant_id: str, body: NewUpload) -> Response:
    """Send the parts next; after a broken line ask how much was received, and go on from there."""
    access.check_merchant(scope, merchant_id)
    upload = await receiving.begin(scope, Wish(**body.model_dump(by_alias=False)))
    return created(
        upload_out(upload, scope.now), location=f"/api/merchants/{merchant_id}/product-sync/uploads/{upload.id}"
    )


@routes.put(
    "/uploads/{upload_id}/parts/{start}",
    permission=MANAGE,
    limit="other",
    response_model=UploadOut,
    summary="Send a part of an upload",
    raw_body={"application/octet-stream": {"type": "string", "format": "binary"}},
    body_cap=_PART,
    deadline=_SECONDS,
    errors=(MerchantNotFound, UploadNotFound, UploadBusy, WrongPart, BlobTooLarge),
)
async def send_part(
    scope: ScopeDep, merchant_id: str, upload_id: str, start: Annotated[int, Path(ge=0)], request: Request
) -> Response:
    """The raw bytes that begin at `start`, 16 MiB at most; the same part may be sent again."""
    access.check_merchant(scope, merchant_id)
    return document(upload_out(await receiving.receive(scope, upload_id, start, request.stream()), scope.now))


@routes.post(
    "/uploads/{upload_id}/start",
    permission=MANAGE,
    limit="other",
    response_model=UploadOut,
    summary="Work an upload off",
    status=202,
    errors=(MerchantNotFound, UploadNotFound, UploadBusy, WrongPart),
)
async def start_upload(scope: ScopeDep, merchant_id: str, upload_id: str) -> Response:
    """Everything has been sent."""
    access.check_merchant(scope, merchant_id)
    return accepted(upload_out(await receiving.start(scope, upload_id), scope.now))


@routes.get(
    "/uploads",
    permission=READ,
    limit="other",
    response_model=UploadList,
    summary="Uploads",
    errors=(MerchantNotFound,),
)
async def list_uploads(
    scope: ScopeDep,
    merchant_id: str,
    paging: PageDep,
    state: Annotated[
        Literal["receiving", "queued", "running", "cancelling", "succeeded", "failed", "cancelled"] | None, Query()
    ] = None,
) -> Response:
    """The newest first."""
    access.check_merchant(scope, merchant_id)
    page = await managing.uploads(scope, UploadFilter(state), paging.ask)
    shown = [upload_out(one, scope.now) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@routes.get(
    "/uploads/{upload_id}",
    permission=READ,
    limit="other",
    response_model=UploadOut,
    summary="One upload",
    errors=(MerchantNotFound, UploadNotFound),
)
async def get_upload(scope: ScopeDep, merchant_id: str, upload_id: str) -> Response:
    """How far it is, and what became of its rows."""
    access.check_merchant(scope, merchant_id)
    return document(upload_out(await receiving.upload(scope, upload_id), scope.now))


@routes.get(
    "/uploads/{upload_id}/errors",
    permission=READ,
    limit="other",
    response_model=RowErrorList,
    summary="Row errors of an upload",
    errors=(MerchantNotFound, UploadNotFound),
)
async def list_errors(scope: ScopeDep, merchant_id: str, upload_id: str, paging: PageDep) -> Response:
    """What could not be taken, and why."""
    access.check_merchant(scope, merchant_id)
    page = await managing.errors(scope, upload_id, paging.ask)
    shown = [row_error_out(one) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@routes.get(
    "/uploads/{upload_id}/errors.csv",
    permission=READ,
    limit="other",
    response_model=None,
    media_type="text/csv",
    summary="Row errors as a file",
    errors=(MerchantNotFound, UploadNotFound),
)
async def download_errors(scope: ScopeDep, merchant_id: str, upload_id: str) -> Response:
    """The kept row errors; cells that a spreadsheet would run are guarded."""
    access.check_merchant(scope, merchant_id)
    rows: list[tuple[object, ...]] = [("line", "column", "value", "reason")]
    after: str | None = None
    while True:
        page = await managing.errors(scope, upload_id, Ask(limit=1_000, after=after))
        rows += [(one["line"], one["column_name"], one["value"], one["reason"]) for one in page.items]
        after = page.next_after
        if after is None:
            break
    headers = attachment(f"errors-{upload_id}.csv")
    return Response(exporting.errors_file(rows), media_type="text/csv; charset=utf-8", headers=headers)


@routes.post(
    "/uploads/{upload_id}/cancel",
    permission=MANAGE,
    limit="other",
    response_model=UploadOut,
    summary="Stop an upload",
    status=202,
    errors=(MerchantNotFound, UploadNotFound, UploadBusy),
)
async def cancel_upload(scope: ScopeDep, merchant_id: str, upload_id: str) -> Response:
    """What was written stays."""
    access.check_merchant(scope, merchant_id)
    return accepted(upload_out(await managing.cancel(scope, upload_id), scope.now))
