"""Knobs of connections."""

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from isthmus.client.guard import check_allowed
from isthmus.kit import weakness


@dataclass(frozen=True, slots=True)
class Settings:
    """Where people come back to, and how patient calls to platforms are."""

    public_url: str = field(
        default="http://127.0.0.1:8700",
        metadata={
            "help": "The address under which browsers reach this server; redirect addresses begin with it.",
            "weak": weakness.plain_address("codes of consents and sessions travel where anybody can read them"),
        },
    )
    return_origins: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Origins, such as https://app.example.com, to which every tenant's consents may return.",
            "weak": weakness.plain_addresses("consents return to pages that anybody on the way can change"),
        },
    )
    call_deadline: timedelta = field(
        default=timedelta(seconds=30), metadata={"help": "Total time of one call to a platform, waits included."}
    )
    exchange_deadline: timedelta = field(
        default=timedelta(seconds=12),
        metadata={"help": "Total time of one exchange of a code or a refresh token, and of one trial of new keys."},
    )
    revoke_deadline: timedelta = field(
        default=timedelta(seconds=5), metadata={"help": "How long a disconnection waits for the platform's revocation."}
    )
    leave_deadline: timedelta = field(
        default=timedelta(seconds=15),
        metadata={"help": "How long a disconnection waits until a shop has been told to push nothing any more."},
    )
    host_connections: int = field(
        default=128,
        metadata={
            "help": "Most connections of one tenant to one host of a platform, in all processes together; each has "
            "an equal share of them, at least one. 0 for no bound."
        },
    )
    call_attempts: int = field(default=4, metadata={"help": "Most attempts of one call that is safe to repeat."})
    pooled_clients: int = field(default=2_000, metadata={"help": "Most bound clients that a process keeps ready."})
    allow_networks: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Networks or names where addresses that were given by API (of providers, of tenants' own apps, of "
            "issuers) may lead, beside the public Internet.",
            "weak": weakness.opened("tenants can have this server call machines of its own network"),
        },
    )
    renew_ahead: timedelta = field(
        default=timedelta(days=7),
        metadata={"help": "How long before a refresh token ends it is used, so that idle connections live; 0 never."},
    )
    test_every: timedelta = field(
        default=timedelta(hours=6), metadata={"help": "Time between two tests of a connection, which chance varies."}
    )
    tests_at_once: int = field(
        default=40, metadata={"help": "Most tests of connections that are begun in one round of a few seconds."}
    )
    credential_overlap: timedelta = field(
        default=timedelta(minutes=10),
        metadata={"help": "How long replaced keys are still tried where the platform refuses the new ones."},
    )
    connect_session_life: timedelta = field(
        default=timedelta(minutes=15), metadata={"help": "Longest life of a connect session."}
    )
    abandoned_after: timedelta = field(
        default=timedelta(days=1),
        metadata={"help": "Age at which a connection that never got credentials is removed."},
    )

    def __post_init__(self) -> None:
        """Refuse what could not be heeded, before anything is started with it."""
        check_allowed(self.allow_networks)
        parts = urlsplit(self.public_url)
        if parts.scheme not in {"https", "http"} or not parts.netloc or parts.query or parts.fragment:
            raise ValueError(
                f"public_url: a whole address such as https://isthmus.example.com, not {self.public_url!r}"
            )

    @property
    def secure(self) -> bool:
        """Whether browsers reach this server over TLS."""
        return self.public_url.startswith("https://")
