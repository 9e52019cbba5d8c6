"""Built-in accounts: addresses, roles, passwords, tokens (security.md SE-01, SE-04, SE-05; pure)."""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER
from isthmus.kit.secret import Secret

SESSION, INVITATION, RESET = "ist_", "isi_", "isr_"
RANDOM_LETTERS = 43
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,190}\.[^@\s.]{2,63}")
_SHORTEST, _LONGEST = 12, 128
_FEWEST_DIFFERENT = 5
_TELLING = 4
_FREE_TRIES = 3
_LONGEST_DELAY = 900
#: So many wrong tries of strangers make each further one of theirs count for one more.
_TRIES_A_STEP = 10
#: How long a network is known to an account that was entered from there.
KNOWN_FOR = timedelta(days=90)
#: What guessers try first among passwords that are long enough.
_COMMON = frozenset(
    {
        "password1234", "password12345", "password123456", "passwordpassword",
        "password1234567", "mypassword123", "mypassword1234", "123456789012",
        "1234567890123", "12345678901234", "123456789012345", "1234567890qwerty",
        "1q2w3e4r5t6y", "1q2w3e4r5t6y7u8i", "1qaz2wsx3edc", "1qaz2wsx3edc4rfv",
        "qwertyuiop12", "qwertyuiop123", "qwerty123456", "qwerty1234567",
        "qwertyuiopasdf", "asdfghjkl123", "asdfghjkl1234", "zaq12wsxcde3",
        "abcdefghijkl", "abcdef123456", "abcd12345678", "administrator",
        "administrator1", "admin1234567", "admin12345678", "welcome12345",
        "welcome123456", "letmein12345", "letmein123456", "iloveyou1234",
        "iloveyou12345", "changeme1234", "changeme12345", "changeit12345",
        "trustno1trustno1", "correcthorsebatterystaple", "superman1234", "football1234",
    }
)  # fmt: skip


class UserStatus(StrEnum):
    """Whether somebody may sign in."""

    INVITED = "invited"
    ACTIVE = "active"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody of a tenant."""

    id: str
    email: str
    roles: tuple[str, ...]
    status: UserStatus
    created_at: datetime

    @property
    def etag(self) -> str:
        """Stands for what an admin can change of them."""
        return etag(self.id, self.roles)


def read_email(text: str) -> str:
    """The address as it is kept: NFC, lower case. Raises Invalid for what is none."""
    kept = unicodedata.normalize("NFC", text.strip()).lower()
    if not _EMAIL.fullmatch(kept):
        raise Invalid.field("email", "This is not an e-mail address.")
    return kept


def read_roles(roles: Collection[str], *, of_deployment: bool = False) -> tuple[str, ...]:
    """The roles, in order and once each. Raises Invalid for none, or for one that no member of such a tenant has."""
    offered = (SUPER_ADMIN,) if of_deployment else (TENANT_ADMIN, USER)
    if not roles or set(roles) - set(offered):
        raise Invalid.field("roles", f"Some of: {', '.join(offered)}.")
    return tuple(sorted(set(roles)))


def normal(password: Secret) -> Secret:
    """The password as it is hashed: in full, in one of the ways that Unicode has to write it."""
    return Secret(unicodedata.normalize("NFC", password.reveal()))


def read_password(password: Secret, near: Iterable[str] = ()) -> Secret:
    """The password in its normal form. `near` are texts that stand in none. Raises Invalid, naming what is wrong."""
    kept = normal(password)
    text = kept.reveal()
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise Invalid.field("password", f"A password has between {_SHORTEST} and {_LONGEST} characters.")
    folded = text.casefold()
    if folded in _COMMON or len(set(folded)) < _FEWEST_DIFFERENT:
        raise Invalid.field("password", "This is one of the passwords that are guessed first.")
    if any(len(part) >= _TELLING and part.casefold() in folded for part in near):
        raise Invalid.field("password", "The e-mail address does not belong into the password.")
    return kept


def near(email: str) -> tuple[str, ...]:
    """What of an address stands in no password."""
    return (email, email.partition("@")[0])


def delay(failures: int) -> timedelta:
    """How long to wait after this many wrong tries in a row from one network: none, then 1, 2, 4 ... 900 seconds."""
    if failures < _FREE_TRIES:
        return timedelta()
    return timedelta(seconds=min(2 ** min(failures - _FREE_TRIES, 16), _LONGEST_DELAY))


def pressure(tries: int) -> int:
    """How many tries more a stranger's wrong one counts for, after so many of all strangers at one account.

    Nobody's first try waits for what others did, so guessers on many networks lock nobody out; but each network of
    theirs has one guess, and then a long wait.
    """
    return tries // _TRIES_A_STEP


def place(email: str, network: str) -> str:
    """The key that wrong tries of one account from one network are counted under; tells neither."""
    return hashlib.sha256(f"{email}\n{network}".encode()).hexdigest()


def place_of_strangers(email: str) -> str:
    """The key that wrong tries of one account from all networks it was never entered from are counted under."""
    return place(email, "\nstrangers")


def place_known(email: str, network: str) -> str:
    """The key that says that an account was entered from a network."""
    return place(email, f"\nknown {network}")


def bears(text: str, head: str) -> bool:
    """Whether the text has the form of a session's or invitation's token."""
    return text.startswith(head) and len(text) == len(head) + RANDOM_LETTERS and text.isascii() and text[4:].isalnum()


def digest(token: Secret) -> bytes:
    """What is kept of a token of 256 random bits (SE-05)."""
    return hashlib.sha256(token.reveal().encode()).digest()
