"""Failures of the catalog."""

from collections.abc import Sequence
from typing import Any

from isthmus.kit.errors import Conflict, Forbidden, NotFound


class ProviderNotFound(NotFound):
    """There is no such provider in the catalog.

    Take the id from `GET /api/integrations` or `isthmus provider list`.
    """

    code = "PROVIDER_NOT_FOUND"


class ProviderNotConnectable(Conflict):
    """The catalog lists this provider, but no connector for it is installed.

    Install its connector and put it on `ISTHMUS_ALLOWED_CONNECTORS`, or choose another provider.
    """

    code = "PROVIDER_NOT_CONNECTABLE"


class AppMissing(Conflict):
    """No app credentials are set for this provider; an operator sets them with `isthmus provider set`.

    Ask the operator to run `isthmus provider set` with the app's credentials.
    """

    code = "PROVIDER_APP_MISSING"


class AppChanged(Conflict):
    """The app was changed by somebody else since it was read, or just now; `details.etag` is the present tag.

    Read it again, over the API or with `isthmus provider show`, then set it again if it still makes sense.
    """

    code = "PROVIDER_APP_CHANGED"


class ProviderExists(Conflict):
    """There is a provider of this id already, or one comes with the product under it.

    Choose another id, change the one that is there, or bring a removed one back with its `/reset`.
    """

    code = "PROVIDER_EXISTS"


class ProviderChangedMeanwhile(Conflict):
    """The provider was changed by somebody else since it was read, or just now.

    `details.etag` is the present tag, and `details.revision` the newest where the change named one. Read the provider
    again, and repeat the change with its tag or `revision` if it still makes sense.
    """

    code = "PROVIDER_CHANGED"


class ProviderInUse(Conflict):
    """Integrations use this provider; `details.integrations` lists them.

    Set its status to `deprecated` first: it can then be deleted, and connections that use it go on. The deployment's
    own connection, of the tenant `ten_platform`, ends with `DELETE /api/admin/integrations/{category}/{id}/connection`.
    """

    code = "PROVIDER_IN_USE"


class VersionNotFound(NotFound):
    """The provider has no such version.

    Take a number from its `/versions`.
    """

    code = "PROVIDER_VERSION_NOT_FOUND"


class PlanRequired(Forbidden):
    """This provider needs a higher plan; `details.requiredPlan` names it.

    Ask the operator for the plan, or choose a provider that your plan includes.
    """

    code = "PLAN_REQUIRED"


class SecondPersonNeeded(Conflict):
    """This change moves secrets or widens who sees the provider, so another super admin has to agree.

    Over the API the change becomes a proposal; another super admin approves it at `/api/admin/provider-changes`.
    """

    code = "SECOND_PERSON_NEEDED"

    def __init__(self, differences: Sequence[Any] = (), reasons: Sequence[str] = ()) -> None:
        super().__init__(details={"fields": list(reasons)})
        self.differences = tuple(differences)
        self.reasons = tuple(reasons)


class ProposalNotFound(NotFound):
    """There is no such proposal.

    Take the id from `GET /api/admin/provider-changes`.
    """

    code = "PROVIDER_CHANGE_NOT_FOUND"


class ProposalClosed(Conflict):
    """The proposal was decided already, or nobody decided it in time; `details.state` says which.

    Make the change again if it is still wanted.
    """

    code = "PROVIDER_CHANGE_CLOSED"


class ProposalStale(Conflict):
    """The provider has changed since, so the proposal would do something else than what it shows.

    Reject it, and make the change again.
    """

    code = "PROVIDER_CHANGE_STALE"


class ProposerGone(Conflict):
    """Whoever wants this change is no super admin any more, so only one person stands behind it.

    Reject it; if you want the change yourself, make it again, and another super admin approves it.
    """

    code = "PROVIDER_CHANGE_HAS_NO_PROPOSER"


class OwnProposal(Conflict):
    """Nobody approves their own proposal.

    Ask another super admin, signed in as themselves, to approve it.
    """

    code = "PROVIDER_CHANGE_IS_YOURS"
