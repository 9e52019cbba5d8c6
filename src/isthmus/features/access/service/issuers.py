"""People of other issuers: what their tenant leaves of their roles, and keys of theirs that follow (AK-04, JT-09)."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace

from isthmus.features.access.errors import IssuerAccountChangedMeanwhile, IssuerAccountNotFound, NotYourself
from isthmus.features.access.events import IssuerAccountFreed, IssuerAccountLimited
from isthmus.features.access.model import issuers as model
from isthmus.features.access.model.issuers import Account
from isthmus.features.access.service.accounts import check_still, withdraw
from isthmus.features.access.service.keys import regrade
from isthmus.features.access.service.tenants import TenantGuard
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts as accounts_store
from isthmus.features.access.store import issuers as store
from isthmus.features.access.store import sessions as sessions_store
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import TENANT_ADMIN, Principal
from isthmus.scope import Scope, System


async def limit_account(scope: Scope, issuer: str, subject: str, roles: Collection[str]) -> Account:
    """Leave somebody of another issuer these of their roles, within five seconds everywhere; sessions end.

    Raises Invalid, also for a built-in account, whose roles are its member's; NotYourself,
    IssuerAccountChangedMeanwhile.
    """
    who = Principal("user", model.read_name("subject", subject), model.read_name("issuer", issuer), scope.tenant_id)
    if who.id == scope.principal.id:
        raise NotYourself
    wanted = Account(
        id=scope.id("acc"),
        issuer=issuer,
        subject=subject,
        roles=model.read_limit(roles),
        set_by=scope.principal.id,
        set_at=scope.now,
    )
    async with scope.tx() as tx:
        await check_still(scope, tx)
        if await accounts_store.user(tx, subject) is not None:
            raise Invalid.field("subject", "This is a member; give it other roles at /api/tenant/members.")
        before = await store.account_of(tx, issuer, subject, locked=True)
        if before is None or before.roles != wanted.roles:
            scope.check_seen(before.etag if before else None, IssuerAccountChangedMeanwhile)
        kept = replace(wanted, id=await store.put_account(tx, wanted))
        await sessions_store.delete_sessions(tx, issuer, subject)
        await store.update_shrunk(tx, who.id, wanted.roles)
        if TENANT_ADMIN not in wanted.roles:
            await withdraw(tx, who.id)
        tx.emit(IssuerAccountLimited(subject=kept.id, before=_told(before) if before else None, after=_told(kept)))
    return kept


async def free_account(scope: Scope, account_id: str) -> None:
    """Leave somebody all that the issuer gives; keys of theirs grow when they come by next.

    Raises IssuerAccountNotFound, NotYourself.
    """
    async with scope.tx() as tx:
        await check_still(scope, tx)
        found = await store.account(tx, account_id)
        if found is None:
            raise IssuerAccountNotFound
        if Principal("user", found.subject, found.issuer, scope.tenant_id).id == scope.principal.id:
            raise NotYourself
        await store.delete_account(tx, account_id)
        await sessions_store.delete_sessions(tx, found.issuer, found.subject)
        tx.emit(IssuerAccountFreed(subject=account_id, before=_told(found)))


async def issuer_accounts(scope: Scope, ask: Ask) -> Page[Account]:
    """Those whose roles the tenant limits, the oldest first."""
    async with scope.tx() as tx:
        found = await store.accounts(tx, after=ask.after or "", offset=ask.offset, limit=ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


class IssuerAccounts:
    """Knows what is left of a token's roles, and lets keys follow what a foreign issuer says of their maker now.

    foreign: the issuers that keep accounts elsewhere. Of our own tokens nobody can tell what somebody holds for good.
    """

    def __init__(self, system: System, guard: TenantGuard, settings: Settings, foreign: Collection[str]) -> None:
        self._system = system
        self._guard = guard
        self._most = settings.tenants_remembered
        self._foreign = frozenset(foreign)
        self._graded: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()

    async def admitted(self, who: Principal) -> Principal:
        """The principal with the roles that its tenant leaves it. Raises Unavailable."""
        left = await self._guard.limit_of(who)
        kept = who if left is None else replace(who, roles=model.left_of(who.roles, left))
        if who.issuer in self._foreign:
            await self._grade(kept)
        return kept

    async def _grade(self, who: Principal) -> None:
        """What keys of theirs may do follows a change of roles, once in each process."""
        place = (who.tenant_id, who.id)
        if self._graded.get(place) == who.roles:
            return
        await regrade(self._system.scope(who.tenant_id, "access"), who.id, who.roles)
        self._graded[place] = who.roles
        while len(self._graded) > self._most:
            self._graded.popitem(last=False)


def _told(one: Account) -> dict[str, object]:
    return {"issuer": one.issuer, "subject": one.subject, "roles": list(one.roles)}
