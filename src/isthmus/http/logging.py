"""Log lines: JSON for machines, a readable form on a terminal; both bear the request id, no secret (LO-04, LO-05)."""

import json
import logging
import os
import sys
import traceback
from collections import defaultdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO

import msgspec

from isthmus.http import redact
from isthmus.http.asgi import REQUEST_ID
from isthmus.kit.errors import Problem
from isthmus.kit.text import terminal

FORMS = ("json", "text", "auto", "quiet")

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_ACCESS = logging.getLogger("isthmus.http.access")
_LEVELS = defaultdict(lambda: "info", {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"})
_TRACE_LINES = 60
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_MESSAGE_LENGTH = 8_000


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: redact.HIDDEN if redact.is_secret_name(name) else redact.anything(value)
        for name, value in record.__dict__.items()
        if name not in _STANDARD and value not in {"", None}
    }


def _message(record: logging.LogRecord) -> str:
    try:
        return redact.text(record.getMessage()[:_MESSAGE_LENGTH])
    except (TypeError, ValueError):
        return redact.text(str(record.msg)[:_MESSAGE_LENGTH])


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    lines = "".join(traceback.format_exception(*record.exc_info)).splitlines()
    if len(lines) > _TRACE_LINES:
        lines = [*lines[: _TRACE_LINES // 2], "...", *lines[-_TRACE_LINES // 2 :]]
    return redact.text("\n".join(lines))


class JsonLines(logging.Formatter):
    """One JSON object per line, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        line: dict[str, object] = {"at": at, "level": _LEVELS[record.levelno], "logger": record.name}
        line["message"] = "request" if "access" in record.__dict__ else _message(record)
        request_id = REQUEST_ID.get()
        if request_id:
            line["requestId"] = request_id
        access = record.__dict__.get("access")
        if access is not None:
            return json.dumps(line | access)
        line.update((name, value) for name, value in _extras(record).items() if name not in line)
        trace = _trace(record)
        if trace:
            line["trace"] = trace
        return json.dumps(line, ensure_ascii=True, default=str)


class Readable(logging.Formatter):
    """A line for people: time, level, what happened, details, request id; nothing in it moves the cursor."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        extras = _extras(record)
        access = extras.pop("access", None)
        if isinstance(access, dict):
            record.msg = "{method} {path} {status}".format_map(access)
            extras = {name: access[name] for name in ("milliseconds", "principal") if access[name]}
        details = " ".join(f"{name}={value}" for name, value in extras.items())
        request_id = REQUEST_ID.get()
        parts = [f"{at} {record.levelname.lower():7} {_message(record)}", details, request_id]
        text = terminal("  ".join(part for part in parts if part))
        trace = _trace(record)
        if trace:
            text += "\n" + "\n".join("    " + terminal(line) for line in trace.splitlines())
        colour = _COLOURS.get(record.levelname, "") if self._colour else ""
        return f"{colour}{text}\x1b[0m" if colour else text


class _Direct:
    """Where access lines go when nothing but the one JSON handler listens: past the logging machinery, which costs
    five times the line itself."""

    stream: IO[str] | None = None


def is_listening() -> bool:
    """Whether a line about an answered request would go anywhere."""
    return _Direct.stream is not None or _ACCESS.isEnabledFor(logging.INFO)


@lru_cache(maxsize=2)
def _second(epoch: int) -> str:
    """Many requests are answered within one, and writing a time out costs as much as the rest of their lines."""
    return datetime.fromtimestamp(epoch, UTC).isoformat()[:-6]


def access(entry: dict[str, object], request_id: str, at: datetime) -> None:
    """Log one answered request: routes, numbers and ids, with nothing to hide in them."""
    stream = _Direct.stream
    if stream is None:
        if _ACCESS.isEnabledFor(logging.INFO):
            # past `info`, which would look up the calling line each time
            extra = {"access": entry}
            _ACCESS.handle(_ACCESS.makeRecord(_ACCESS.name, logging.INFO, "", 0, "request", (), None, extra=extra))
        return
    when = f"{_second(int(at.timestamp()))}.{at.microsecond // 1000:03}Z"
    line: dict[str, object] = {
        "at": when,
        "level": "info",
        "logger": _ACCESS.name,
        "message": "request",
        "requestId": request_id,
    }
    line.update(entry)
    encoded = msgspec.json.encode(line)
    # both encoders leave no line break; only one of them escapes what is not ASCII
    try:
        stream.write((encoded.decode() if encoded.isascii() else json.dumps(line)) + "\n")
        stream.flush()
    except (OSError, ValueError):
        # Nobody reads the log any more: a closed pipe must not fail the request that is told of.
        _Direct.stream = None


def configure(form: str = "auto", *, level: str = "INFO", stream: IO[str] | None = None) -> None:
    """Send every log line of the process to `stream` (standard error) in one form.

    form: json, text, auto (text on a terminal, else json) or quiet (as auto, warnings and worse only). Raises
    ValueError for an unknown form or level.
    """
    if form not in FORMS:
        raise ValueError(f"there is no log form {form!r}; there are {', '.join(FORMS)}")
    out = stream or sys.stderr
    on_terminal = out.isatty()
    readable = form == "text" or (form != "json" and on_terminal)
    handler = logging.StreamHandler(out)
    handler.setFormatter(Readable(colour=on_terminal and "NO_COLOR" not in os.environ) if readable else JsonLines())
    root = logging.getLogger()
    root.setLevel("WARNING" if form == "quiet" else level.upper())
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    plain = not readable and root.level <= logging.INFO
    _Direct.stream = out if plain else None
    for chatty in ("asyncio", "uvicorn", "httpx2", "httpcore2", "alembic.runtime.plugins"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def failed(log: logging.Logger, asked: str, failure: BaseException) -> None:
    """Log why a request ends with 500 or more. What is named, such as a far side that is away, needs no traceback."""
    if isinstance(failure, Problem) and failure.status > 500:
        log.warning("%s failed: %s %s", asked, failure.code, failure.message)
    else:
        log.error("%s failed", asked, exc_info=failure)
