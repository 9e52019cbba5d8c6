"""What can go wrong with a call, as one tree.

Each class says what failed; each instance says whether bytes left (`sent`), whether sending again is safe
(`retry_safe`), when (`retry_after`, seconds) and after how many `attempts`. No message ever holds a secret.

    ClientError
    |- InvalidRequest          the call could not be built: URL, header, body
    |- AddressRefused          the guard does not allow this address, name or port
    |- NetworkError            the far side was not reached or the conversation broke
    |  |- ConnectFailed        nothing was sent: unresolvable, refused, unreachable
    |  |- TlsFailed            nothing was sent: certificate or handshake
    |  |- Disconnected         broken after bytes left; the outcome is unknown
    |  `- DeadlineExceeded     the total deadline of the call ended
    |- RateLimited             our own limiter: the queue is full or the wait is longer than the deadline
    |  `- Withdrawn            what the call was made for ended while it waited
    |- BreakerOpen             the circuit breaker lets nothing through just now
    |- AuthError               no usable credentials
    |  |- ReauthorizationRequired  the platform refused the refresh token for good: connect again
    |  `- RefreshUnavailable   the token endpoint gives no answer and the token has expired
    |- BadReply                a reply came but cannot be used
    |  |- MalformedBody        not what it claims to be: HTML with 200, wrong charset, truncated, too deep
    |  |- TooLarge             over a cap: head, encoded body, decoded body, ratio
    |  `- RedirectRefused      too many, to another host with secrets, or from https to http
    |- PagesRefused            pagination that repeats, never ends or leaves the host
    `- PlatformError           the platform's own no, with its code and message
       |- Throttled            it asks us to slow down
       |- TokenRejected        it calls our credentials dead, also after one forced refresh
       |- Refused              not allowed for this account
       |- Missing              no such object there
       |- CallerMistake        the request is wrong
       |- Misconfigured        the app or shop is not set up for this
       `- PlatformFailed       its own failure, transient
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar


class ClientError(Exception):
    """A call failed."""

    #: The stable name of this kind of failure (docs/reference/client-errors.md).
    CODE: ClassVar[str] = "client_error"
    #: What to do about it, shown on the reference page.
    CURE: ClassVar[str] = "Read the message; the cause is chained."
    RETRY_SAFE: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        *,
        sent: bool = False,
        retry_safe: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message or (self.__doc__ or "").split("\n", 1)[0]
        self.code = self.CODE
        self.sent = sent
        self.retry_safe = self.RETRY_SAFE if retry_safe is None else retry_safe
        self.retry_after = retry_after
        self.attempts = 0
        super().__init__(self.message)

    @property
    def kind(self) -> str:
        """The stable name of this kind of failure, whatever code the platform gave."""
        return self.CODE


class InvalidRequest(ClientError):
    """The call could not be built."""

    CODE = "invalid_request"
    CURE = "Correct the URL, header or body named in the message."


class AddressRefused(ClientError):
    """The address cannot be reached from here."""

    CODE = "address_refused"
    CURE = "Use a public host and a usual port, or put the network on the deployment's allow-list."


class NetworkError(ClientError):
    """The far side could not be reached."""

    CODE = "network"
    CURE = "Check the host and the network; the call may be tried again when nothing was sent."
    RETRY_SAFE = True


class ConnectFailed(NetworkError):
    """No connection could be made; nothing was sent."""

    CODE = "connect_failed"
    CURE = "Check the host name, the port and the network between here and there."


class TlsFailed(NetworkError):
    """The secure connection was refused; nothing was sent."""

    CODE = "tls_failed"
    CURE = "Let the host present a valid certificate, or give the transport the CA that signed it."
    RETRY_SAFE = False


class Disconnected(NetworkError):
    """The connection broke after bytes had left; whether the request took effect is unknown."""

    CODE = "disconnected"
    CURE = "Look up whether the request took effect, or send an idempotency key the platform honours."
    RETRY_SAFE = False


class DeadlineExceeded(NetworkError):
    """The total deadline of the call ended, attempts and waits included."""

    CODE = "deadline_exceeded"
    CURE = "Raise `deadline`, lower the number of attempts, or ask for less."
    RETRY_SAFE = False


class RateLimited(ClientError):
    """Our own rate limit holds this call back for longer than it may wait."""

    CODE = "rate_limited"
    CURE = "Wait `retry_after` seconds, raise the limit if the platform allows it, or queue less."
    RETRY_SAFE = True


class Withdrawn(RateLimited):
    """The call waited, and what it was made for ended meanwhile; it was not sent."""

    CODE = "withdrawn"
    CURE = "See why the connection may not be used any more: its switch, or its plan."


class BreakerOpen(ClientError):
    """The circuit breaker is open: the host failed too often just now; nothing was sent."""

    CODE = "breaker_open"
    CURE = "Wait `retry_after` seconds; a few probes decide whether the host is back."
    RETRY_SAFE = True


class AuthError(ClientError):
    """There are no usable credentials for this call."""

    CODE = "auth"
    CURE = "Check the credentials of the connection."


class ReauthorizationRequired(AuthError):
    """The platform refused the refresh token for good; the account must be connected again."""

    CODE = "reauthorization_required"
    CURE = "Connect the account again; no retry can help."


class RefreshUnavailable(AuthError):
    """The token has expired and the token endpoint gives no answer just now."""

    CODE = "refresh_unavailable"
    CURE = "Wait; the refresh is tried again with back-off."
    RETRY_SAFE = True


class BadReply(ClientError):
    """A reply came but cannot be used."""

    CODE = "bad_reply"
    CURE = "Compare the reply with the platform's documentation."


class MalformedBody(BadReply):
    """The body is not what it claims to be; `reason` names how."""

    CODE = "malformed_body"
    CURE = "See `reason`: html, empty, byte_order_mark, charset, encoding, truncated, too_deep, syntax or shape."

    def __init__(self, message: str = "", *, reason: str = "syntax", sent: bool = True) -> None:
        super().__init__(message, sent=sent)
        self.reason = reason


class TooLarge(BadReply):
    """The reply is over a cap; reading stopped there."""

    CODE = "too_large"
    CURE = "Ask for less per call, stream the body, or raise `max_body`."


class RedirectRefused(BadReply):
    """The redirect is not followed."""

    CODE = "redirect_refused"
    CURE = "Use the final URL as base URL."


class PagesRefused(ClientError):
    """The pages do not end, repeat, or lead to another host."""

    CODE = "pages_refused"
    CURE = "Check the pagination settings; the message names the page."


class PlatformError(ClientError):
    """The platform answered no; `code` and `message` are its own."""

    CODE = "platform"
    CURE = "Read the platform's code and message."

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        status: int = 0,
        retry_after: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message, sent=True, retry_after=retry_after)
        self.code = code or self.CODE
        self.status = status
        #: The beginning of the reply, for a person; never logged as it is.
        self.body = body
        #: The whole `Response`, for whoever passes it on.
        self.reply: object = None

    def __str__(self) -> str:
        return f"{self.message} ({self.code}, HTTP {self.status})"


class Throttled(PlatformError):
    """The platform asks to slow down."""

    CODE = "throttled"
    CURE = "Wait `retry_after` seconds; the limiter has been narrowed."
    RETRY_SAFE = True


class TokenRejected(PlatformError):
    """The platform does not accept our credentials."""

    CODE = "token_rejected"
    CURE = "Connect the account again or check the key."


class Refused(PlatformError):
    """The platform does not allow this for this account."""

    CODE = "refused"
    CURE = "Grant the app the missing permission."


class Missing(PlatformError):
    """The platform has no such object."""

    CODE = "not_found"
    CURE = "Check the id and the path."


class CallerMistake(PlatformError):
    """The platform calls the request wrong."""

    CODE = "caller"
    CURE = "Correct the parameters the platform names."


class Misconfigured(PlatformError):
    """The app or the shop is not set up for this."""

    CODE = "configuration"
    CURE = "Check the app's settings at the platform."


class PlatformFailed(PlatformError):
    """The platform failed; it may work later."""

    CODE = "transient"
    CURE = "Try again later."


#: The class for each kind of `Failure` a judge may return.
BY_KIND: Mapping[str, type[PlatformError]] = {
    "throttled": Throttled,
    "token": TokenRejected,
    "refused": Refused,
    "not_found": Missing,
    "caller": CallerMistake,
    "configuration": Misconfigured,
    "transient": PlatformFailed,
}


def every_error() -> Iterator[type[ClientError]]:
    """Every class of the tree, parents before children, for the reference page."""
    queue: list[type[ClientError]] = [ClientError]
    while queue:
        kind = queue.pop(0)
        yield kind
        queue.extend(kind.__subclasses__())
