"""What the platform's error codes mean (marketplaces.md 2.4); they come with HTTP 200 and 4xx alike."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from isthmus.client import Failure, Response
from isthmus.client.judge import Kind
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose

#: Codes that end a grant when the token calls answer them (marketplaces.md 2.2).
DEAD_GRANT: Final = frozenset(
    {
        "error_shop_refresh_token",
        "error_merchant_refresh_token",
        "refresh_token_expired",
        "shop_no_linked",
        "shop_access_expired",
        "invalid_refresh_token",
    }
)
_KINDS: Final[dict[Kind, frozenset[str]]] = {
    "token": DEAD_GRANT | {"error_auth", "invalid_acceess_token", "invalid_access_token"},
    "configuration": frozenset({"error_sign", "source_ip_undeclared", "error_partner_key_expired"}),
    "refused": frozenset(
        {
            "error_permission",
            "error_api_permission",
            "error_ashop_api_permission",
            "error_kyc_auth",
            "error_api_call_restricted",
            "shop_banned",
            "error_busi_invalid_shop_status",
            "error_seller_under_penalty",
        }
    ),
    "throttled": frozenset({"error_rate_limit", "error_limit"}),
    "transient": frozenset({"error_server", "error_inner", "error_system_busy", "error_network", "error_other"}),
    "not_found": frozenset({"error_not_found", "error_item_not_found"}),
}
_KIND_OF: Final = {code: kind for kind, codes in _KINDS.items() for code in codes}
_CLOCK = "clock_skew"
#: The daily quota begins anew at midnight, UTC+8.
_QUOTA_ZONE = reading.zone(8)


class _Envelope(msgspec.Struct):
    error: Loose = None
    message: Loose = None
    request_id: Loose = None


_ENVELOPE = reading.decoder(_Envelope)


def classify(response: Response) -> Failure | None:
    """Judge by `error`, whatever the HTTP status says; the code counts without its module prefix."""
    if not judging.is_json(response):
        return judging.unreadable(response)
    if response.content.startswith(b'{"error":"","') and response.ok:
        return None  # the usual page, which is long
    try:
        body = reading.lenient(response.content, _ENVELOPE)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return judging.unreadable(response)
    if body.error is None and body.request_id is None:
        return judging.foreign(response)
    whole = reading.line(body.error)[:80]
    if not whole:
        return judging.by_status(response)
    return _judged(judging.last_part(whole), reading.line(body.message)[:500], response)


def _judged(code: str, message: str, response: Response) -> Failure:
    if code == "error_limit":
        return Failure(kind="throttled", code=code, message=message, retry_after=_until_reset(response))
    if code == "error_param" and _about_time(message):
        text = f"our clock and the platform's differ by more than five minutes: {message}"
        return Failure(kind="configuration", code=_CLOCK, message=text, far_time=judging.far_time(response))
    return Failure(kind=_KIND_OF.get(code, "caller"), code=code, message=message)


def _about_time(message: str) -> bool:
    lowered = message.lower()
    return "timestamp" in lowered and ("expire" in lowered or "invalid" in lowered)


def _until_reset(response: Response) -> float | None:
    """Seconds to the next midnight, counted from the time that the request was signed with."""
    pairs = dict(response.request.query()) if response.request else {}
    stamp = pairs.get("timestamp", "")
    if not stamp.isdecimal() or len(stamp) > 11:
        return None
    local = datetime.fromtimestamp(int(stamp), UTC).astimezone(_QUOTA_ZONE)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - local).total_seconds()
