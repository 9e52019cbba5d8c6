"""Failures of access."""

from isthmus.kit.errors import Conflict, Forbidden, NotFound, Problem, Unauthenticated


class TenantNotFound(NotFound):
    """There is no such tenant.

    Take the id or the slug from `isthmus tenant list`.
    """

    code = "TENANT_NOT_FOUND"


class SlugTaken(Conflict):
    """Another tenant has this slug; choose a different one.

    Give another one with `--slug`.
    """

    code = "TENANT_SLUG_TAKEN"


class DeploymentTenant(Conflict):
    """The deployment's own tenant is never renamed, suspended, deleted or looked into.

    Name a merchant's tenant; to stop everybody, stop the service.
    """

    code = "DEPLOYMENT_TENANT"


class TenantLeaving(Conflict):
    """This tenant is being deleted, which cannot be undone.

    Wait until it is gone; a new tenant may take its slug then.
    """

    code = "TENANT_BEING_DELETED"


class TenantNotLetIn(Conflict):
    """This tenant is suspended or being deleted, and nobody is let in.

    Activate it first, unless it is being deleted: that cannot be undone.
    """

    code = "TENANT_NOT_LET_IN"


class LoginNotFound(NotFound):
    """People do not sign in at an issuer of this name here.

    Take a name from `GET /api/auth/oidc`; a super admin adds one with `POST /api/admin/login-issuers`.
    """

    code = "LOGIN_NOT_FOUND"


class LoginRefused(Unauthenticated):
    """This login came to nothing: it is over, was begun elsewhere, or the issuer did not vouch for anybody.

    `details.reason` says which: `elsewhere`, `declined` or `unconfirmed`. Begin anew at
    `GET /api/auth/oidc/{issuer}/start` in the browser that is to be signed in.
    """

    code = "LOGIN_REFUSED"

    def __init__(self, reason: str) -> None:
        super().__init__(details={"reason": reason})


class LastWayIn(Conflict):
    """You could not come in any more: you have no password, and no other login at an issuer that is offered here.

    Add another login first (`POST /api/auth/oidc/{issuer}/link`), or have an admin make a password reset for you.
    """

    code = "LAST_WAY_IN"


class TooManyLinks(Problem):
    """Too many logins that are to be added are under way; finish one, or wait until they run out after ten minutes.

    Finish or leave those that are open at their issuers, then begin this one again.
    """

    code = "TOO_MANY_LINKS"
    status = 429


class IdentityNotFound(NotFound):
    """There is no login at an issuer under this id.

    List yours: `GET /api/auth/identities`; those of a member: `GET /api/tenant/members/{id}/identities`.
    """

    code = "IDENTITY_NOT_FOUND"


class IssuerGiven(Conflict):
    """This issuer stands in the environment of the deployment and cannot be changed here.

    An operator changes it on the machine, where `ISTHMUS_LOGINS__<NAME>__ISSUER` is set.
    """

    code = "LOGIN_ISSUER_READ_ONLY"


class IssuerTaken(Conflict):
    """There is an issuer of this name, or one that is the same issuer, already.

    List them: `GET /api/admin/login-issuers`. Change the one that is there, or choose another name.
    """

    code = "LOGIN_ISSUER_TAKEN"


class TooManyIssuers(Conflict):
    """There are as many issuers to sign in at as there may be.

    Remove those that nobody signs in at any more.
    """

    code = "TOO_MANY_LOGIN_ISSUERS"


class LoginTaken(Conflict):
    """This login at the issuer is another member's already.

    Sign in at the issuer as somebody else, or have the other member removed.
    """

    code = "LOGIN_TAKEN"


class GlassNotFound(NotFound):
    """No operator was inside this tenant under this id.

    List them: `GET /api/tenant/break-glass`.
    """

    code = "BREAK_GLASS_NOT_FOUND"


class MerchantNotFound(NotFound):
    """There is no such merchant, or it is not yours.

    A merchant's id is the tenant id of your own token or key.
    """

    code = "MERCHANT_NOT_FOUND"


class KeyNotFound(NotFound):
    """There is no such API key.

    List the keys: `GET /api/merchants/{merchantId}/api-keys`.
    """

    code = "API_KEY_NOT_FOUND"


class KeyNotActive(Conflict):
    """This API key has been replaced, revoked, or has expired; it cannot be rotated.

    Rotate the key that replaced it, which `replacedBy` names, or make a new one.
    """

    code = "API_KEY_NOT_ACTIVE"


class KeyExceedsCreator(Forbidden):
    """A key never holds a permission that you lack yourself; `details.permissions` names those.

    Leave them out, or have somebody who holds them make or rotate the key.
    """

    code = "API_KEY_EXCEEDS_CREATOR"


class TooManyKeys(Conflict):
    """This merchant has as many live API keys as it may have.

    Revoke keys that are no longer used; `ISTHMUS_ACCESS__KEYS_PER_TENANT` sets the limit.
    """

    code = "TOO_MANY_API_KEYS"


class SignInFailed(Unauthenticated):
    """Tenant, e-mail address and password do not belong together.

    Check all three. An admin of the tenant can invite you anew with another address.
    """

    code = "SIGN_IN_FAILED"


class SecondFactorRequired(Unauthenticated):
    """The password is right, and this account has a second factor: send its code too.

    Sign in again with `code`, as the authenticator app shows it now.
    """

    code = "SECOND_FACTOR_REQUIRED"


class NoSession(Conflict):
    """This takes a session, and the credentials of this request are a token or a key.

    Sign in: `POST /api/auth/session` in a browser, `POST /api/auth/login` elsewhere.
    """

    code = "NO_SESSION"


class SessionEnded(Unauthenticated):
    """This session has ended: its person signed out, changed the password, or was removed, here or elsewhere.

    Sign in again.
    """

    code = "SESSION_ENDED"


class NoPerson(Conflict):
    """A session begins with a password, or with the token that an issuer gave to a person.

    Send the person's own token as `Authorization: Bearer`, or sign in with a password.
    """

    code = "NO_PERSON"


class ProofElsewhere(Conflict):
    """You have no password here: another issuer says who you are.

    Sign in at the issuer anew, and begin a session with the token that it gives you then.
    """

    code = "PROOF_AT_ISSUER"


class NoSecondFactor(Conflict):
    """This account has no second factor.

    Begin with `POST /api/auth/second-factor`.
    """

    code = "SECOND_FACTOR_MISSING"


class FactorPresent(Conflict):
    """This account has a second factor already.

    Take it away first: `DELETE /api/auth/second-factor`.
    """

    code = "SECOND_FACTOR_PRESENT"


class FactorNeeded(Conflict):
    """A super admin may not be without a second factor.

    An operator on the machine can take it away: `isthmus admin reset-factor`; the next sign-in asks for another.
    """

    code = "SECOND_FACTOR_NEEDED"


class LastAdmin(Conflict):
    """This is the last super admin of the deployment.

    Invite another one first: `isthmus admin invite`.
    """

    code = "LAST_SUPER_ADMIN"


class SignInTooSoon(Problem):
    """Too many wrong tries from here; wait before the next one.

    Wait as long as `Retry-After` says. Other networks are not held up.
    """

    code = "SIGN_IN_TOO_SOON"
    status = 429


class InvitationUnknown(NotFound):
    """There is no such invitation, or it was used or has run out.

    Ask an admin of the tenant for a new invitation.
    """

    code = "INVITATION_NOT_FOUND"


class ResetUnknown(NotFound):
    """There is no such reset, or it was used or has run out.

    Ask an admin of the tenant for a new one.
    """

    code = "PASSWORD_RESET_NOT_FOUND"


class MemberChangedMeanwhile(Conflict):
    """The member's roles were changed by somebody else since they were read; `details.etag` is the present tag.

    List the members again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "MEMBER_CHANGED"


class IssuerAccountChangedMeanwhile(Conflict):
    """What is left of somebody's roles was changed by somebody else since it was read.

    `details.etag` is the present tag, null where nothing is limited. List the accounts again, and repeat the change
    with the tag of now, or without one, if it still makes sense.
    """

    code = "ISSUER_ACCOUNT_CHANGED"


class LoginIssuerChangedMeanwhile(Conflict):
    """The issuer was changed by somebody else since it was read; `details.etag` is the present tag.

    Read the issuer again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "LOGIN_ISSUER_CHANGED"


class TenantChangedMeanwhile(Conflict):
    """The tenant was changed by somebody else since it was read; `details.etag` is the present tag.

    Read the tenant again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "TENANT_CHANGED"


class MemberNotActive(Conflict):
    """This member has not taken the invitation up yet, so there is no password to reset.

    Have the member accept the invitation; when it was lost, remove the member and invite again.
    """

    code = "MEMBER_NOT_ACTIVE"


class MemberNotFound(NotFound):
    """There is no such member.

    List the members: `GET /api/tenant/members`.
    """

    code = "MEMBER_NOT_FOUND"


class IssuerAccountNotFound(NotFound):
    """This tenant limits nobody's roles under this id.

    List them: `GET /api/tenant/issuer-accounts`.
    """

    code = "ISSUER_ACCOUNT_NOT_FOUND"


class EmailTaken(Conflict):
    """Somebody in this tenant has this e-mail address.

    List the members; give the one who is there other roles. An invitation that ran out is made anew once its member is
    removed.
    """

    code = "MEMBER_EMAIL_TAKEN"


class NotYourself(Conflict):
    """Nobody changes their own roles or removes themselves.

    Ask another admin of the tenant.
    """

    code = "MEMBER_IS_YOURSELF"
