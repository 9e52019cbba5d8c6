"""Models and answers of the edge: pydantic reads what comes in, msgspec writes what goes out, camelCase both ways."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

import msgspec
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from isthmus.kit import text
from isthmus.kit.secret import Secret


class Wire(BaseModel):
    """A request body, or the documentation of an answer: camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        str_max_length=100_000,
    )


class Answer(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """An answer that is encoded fast; `response_model` takes it and documents it from its own annotations.

    Subclasses repeat `frozen=True, kw_only=True`: neither msgspec nor type checkers inherit both.
    """


def _encoded(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python", by_alias=True)
    if isinstance(value, Secret):
        raise TypeError("a secret is revealed by its own route, never by an answer")
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_HARMLESS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_OWN_HEADERS = (b"content-type", b"content-length")
_ENCODER = msgspec.json.Encoder(enc_hook=_encoded)


class Document(Response):
    """A JSON body that is already encoded."""

    media_type = "application/json"

    def __init__(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        # without the framework's own header table, which costs more than encoding a small answer
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.lower().encode("ascii"), value.encode("latin-1")))


def encode(value: object) -> bytes:
    """JSON: times in UTC with `Z`, decimals as strings, names as the structure gives them."""
    return _ENCODER.encode(value)


def document(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Document:
    """Answer with this structure, `Wire` or dictionary; a structure's `etag` stands in the header too."""
    made = Document(_ENCODER.encode(value), status, headers)
    tag = getattr(value, "etag", None)
    if isinstance(tag, str):
        made.raw_headers.append((b"etag", b'"%s"' % tag.encode()))
    return made


def created(value: object, *, location: str | None = None) -> Document:
    """201 with the new object."""
    return document(value, status=201, headers={"location": location} if location else None)


def accepted(value: object) -> Document:
    """202: the work has been written down and goes on by itself."""
    return document(value, status=202)


def no_content() -> Response:
    """204."""
    return Response(status_code=204)


def redirect(address: str) -> Response:
    """302 to an address that the caller has checked."""
    return Response(status_code=302, headers={"location": address})


def enveloped(response: Response, request_id: str, at: datetime) -> Response:
    """The answer in the envelope of the merchant families; what has no JSON body stays as it is."""
    if not isinstance(response, Document):
        return response
    about = encode({"timestamp": at, "requestId": request_id})
    body = b'{"success":true,"data":' + response.body + b"," + about[1:]
    kept = {name.decode(): value.decode() for name, value in response.raw_headers if name not in _OWN_HEADERS}
    return Document(body, response.status_code, kept)


def attachment(name: str) -> dict[str, str]:
    """The header of an answer that is a file of this name (RFC 6266; security.md CS-05).

    Old readers get ASCII letters that mean nothing to a shell or a folder; others the whole name, encoded.
    """
    shown = text.terminal(text.shown(name)).replace("/", "_").replace("\\", "_").strip()[:200] or "file"
    plain = "".join(letter if letter in _HARMLESS else "_" for letter in shown)
    whole = "" if plain == shown else f"; filename*=UTF-8''{quote(shown, safe='')}"
    return {"content-disposition": f'attachment; filename="{plain}"{whole}'}
