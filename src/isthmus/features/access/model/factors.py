"""Second factors: codes by time, as any authenticator app makes them (RFC 6238, security.md SE-11; pure)."""

import base64
import hmac
from datetime import datetime
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from isthmus.kit.secret import Secret

SECRET_BYTES = 20
_DIGITS, _SECONDS = 6, 30
#: Clocks of telephones run a little ahead or behind.
_NEAR = (0, -1, 1)


def text_of(raw: bytes) -> Secret:
    """The secret as apps take it: base 32."""
    return Secret(base64.b32encode(raw).decode("ascii"))


def address(secret: Secret, email: str) -> Secret:
    """What apps read from a QR code."""
    label = quote(f"Isthmus:{email}", safe="")
    return Secret(f"otpauth://totp/{label}?secret={secret.reveal()}&issuer=Isthmus&digits={_DIGITS}&period={_SECONDS}")


def code(secret: Secret, at: datetime) -> str:
    """The code of this moment."""
    return _codes(secret).generate(int(at.timestamp())).decode("ascii")


def step_of(secret: Secret, said: str, now: datetime, last_step: int) -> int | None:
    """Which step of time the code is of; None for a wrong one, and for one that was used before."""
    codes, current = _codes(secret), int(now.timestamp()) // _SECONDS
    for near in _NEAR:
        step = current + near
        made = codes.generate(step * _SECONDS).decode("ascii")
        if hmac.compare_digest(made.encode(), said.strip().encode("utf-8", "replace")) and step > last_step:
            return step
    return None


def _codes(secret: Secret) -> TOTP:
    return TOTP(base64.b32decode(secret.reveal()), _DIGITS, SHA1(), _SECONDS)  # noqa: S303 - what apps can do
