"""Tiki's error body and its local times (reference 4.1, 4.3)."""

from datetime import UTC, datetime, timedelta, timezone

from isthmus.sandbox import Refusal, Reply, json_reply

_LOCAL = timezone(timedelta(hours=7))


def error(status: int, *messages: str) -> Reply:
    """The error body of products and orders."""
    return json_reply({"errors": list(messages)}, status)


def refuse(status: int, rule: str, message: str) -> Refusal:
    """A refusal in that body."""
    return Refusal(error(status, message), rule)


def local(unix: int) -> str:
    """A time as Tiki writes it: local to Vietnam, without a zone."""
    return datetime.fromtimestamp(unix, UTC).astimezone(_LOCAL).strftime("%Y-%m-%d %H:%M:%S")


def parsed(name: str, text: str | None) -> int | None:
    """The instant of a local time in a query. Raises `Refusal` (422) for any other form."""
    if text is None:
        return None
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_LOCAL)
    except ValueError as bad:
        raise refuse(422, "time", f"{name} must look like 2026-11-05 10:00:00") from bad
    return int(moment.timestamp())
