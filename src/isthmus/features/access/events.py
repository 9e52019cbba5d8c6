"""Facts about tenants."""

from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCreated(Event):
    """A merchant has a place of its own."""

    type: ClassVar[str] = "tenant.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantChanged(Event):
    """A tenant has another name or plan."""

    type: ClassVar[str] = "tenant.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStatusChanged(Event):
    """A tenant was suspended or let in again."""

    type: ClassVar[str] = "tenant.status_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantDeletionStarted(Event):
    """A tenant is let in nowhere any more, and all that it has is being erased."""

    type: ClassVar[str] = "tenant.deletion_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantDeleted(Event):
    """A tenant's keys were destroyed and all its data erased; the body counts the rows of each table."""

    type: ClassVar[str] = "tenant.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantExported(Event):
    """Somebody began to take everything along that a tenant has here."""

    type: ClassVar[str] = "tenant.exported"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken(Event):
    """An operator goes into a tenant; kept in the deployment's own log."""

    type: ClassVar[str] = "tenant.glass_broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEntered(Event):
    """An operator of the deployment is inside this tenant until the time that the body says, for its reason."""

    type: ClassVar[str] = "operator.entered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLeft(Event):
    """An operator's time inside this tenant was ended."""

    type: ClassVar[str] = "operator.left"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyCreated(Event):
    """An API key was made; it was shown once, to whoever made it."""

    type: ClassVar[str] = "api_key.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRotated(Event):
    """An API key has a successor; both open until the overlap ends."""

    type: ClassVar[str] = "api_key.rotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRevoked(Event):
    """An API key opens nothing any more."""

    type: ClassVar[str] = "api_key.revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyFound(Event):
    """Somebody found an API key where it does not belong; the body says whether it was revoked for that."""

    type: ClassVar[str] = "api_key.found"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRegraded(Event):
    """The roles of somebody who made API keys changed, and the reach of those keys with them."""

    type: ClassVar[str] = "api_key.regraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberInvited(Event):
    """Somebody was given a place in a tenant."""

    type: ClassVar[str] = "member.invited"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberJoined(Event):
    """Somebody took an invitation up with a password."""

    type: ClassVar[str] = "member.joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRolesChanged(Event):
    """Somebody's roles changed, and the reach of their API keys with them."""

    type: ClassVar[str] = "member.roles_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRemoved(Event):
    """Somebody left; sessions and API keys of theirs open nothing any more."""

    type: ClassVar[str] = "member.removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerAccountLimited(Event):
    """Of the roles that another issuer gives somebody, the tenant leaves these; sessions ended, API keys shrank."""

    type: ClassVar[str] = "issuer_account.limited"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerAccountFreed(Event):
    """The tenant leaves somebody all roles that another issuer gives."""

    type: ClassVar[str] = "issuer_account.freed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Event):
    """Somebody began a session with a password."""

    type: ClassVar[str] = "member.signed_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut(Event):
    """Somebody ended a session of theirs, or all of them; the body says which."""

    type: ClassVar[str] = "member.signed_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBegun(Event):
    """Somebody began a session in a browser with a token of an issuer."""

    type: ClassVar[str] = "session.begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionProved(Event):
    """Somebody proved anew who they are; their session has another token."""

    type: ClassVar[str] = "session.proved"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorAdded(Event):
    """Somebody's sign-in asks for a code of theirs from now on."""

    type: ClassVar[str] = "member.second_factor_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorRemoved(Event):
    """A second factor was taken away; every session of its member ended."""

    type: ClassVar[str] = "member.second_factor_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """Somebody set another password; every session of theirs ended."""

    type: ClassVar[str] = "member.password_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordResetOffered(Event):
    """An admin made a reset for somebody, who can set another password with it once."""

    type: ClassVar[str] = "member.password_reset_offered"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset(Event):
    """Somebody set another password with a reset; every session of theirs ended. The body lists the API keys of theirs
    that still open something, to be looked through.
    """

    type: ClassVar[str] = "member.password_reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLinked(Event):
    """A member signs in at another issuer from now on: `issuer` and its `subject`."""

    type: ClassVar[str] = "member.login_linked"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginUnlinked(Event):
    """A member's login at another issuer opens nothing any more, taken away by them or by an admin; sessions ended."""

    type: ClassVar[str] = "member.login_unlinked"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginIssuerAdded(Event):
    """People of the deployment's tenants can be given logins at another issuer."""

    type: ClassVar[str] = "login_issuer.added"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginIssuerChanged(Event):
    """An issuer that people sign in at is called by other credentials, or has another label."""

    type: ClassVar[str] = "login_issuer.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginIssuerRemoved(Event):
    """Nobody signs in at this issuer any more."""

    type: ClassVar[str] = "login_issuer.removed"


EMITS = (
    LoginLinked,
    LoginUnlinked,
    LoginIssuerAdded,
    LoginIssuerChanged,
    LoginIssuerRemoved,
    PasswordResetOffered,
    PasswordReset,
    SessionBegun,
    SessionProved,
    SecondFactorAdded,
    SecondFactorRemoved,
    TenantCreated,
    TenantChanged,
    TenantStatusChanged,
    TenantDeletionStarted,
    TenantDeleted,
    TenantExported,
    GlassBroken,
    OperatorEntered,
    OperatorLeft,
    ApiKeyCreated,
    ApiKeyRotated,
    ApiKeyRevoked,
    ApiKeyFound,
    ApiKeyRegraded,
    MemberInvited,
    MemberJoined,
    MemberRolesChanged,
    MemberRemoved,
    IssuerAccountLimited,
    IssuerAccountFreed,
    SignedIn,
    SignedOut,
    PasswordChanged,
)
