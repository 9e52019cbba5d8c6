"""Roles and the permissions they hold; routes and keys speak in permissions only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SUPER_ADMIN = "super_admin"
TENANT_ADMIN = "tenant_admin"
USER = "user"
#: The deployment itself: owner of app registrations and of everything that no merchant owns.
PLATFORM_TENANT = "ten_platform"
ROLES = (SUPER_ADMIN, TENANT_ADMIN, USER)
#: Kinds of principals that the edge treats in their own way.
PUBLISHABLE, BREAK_GLASS = "publishable", "break_glass"
#: What a session lacks: its person has no second factor yet, or has not shown it here.
SecondFactor = Literal["missing", "not_shown"]

_PATH = ":/"


@dataclass(frozen=True, slots=True)
class Permission:
    """A right with a name such as `products:read`, and the roles that hold it.

    by_path: a key may hold it for some paths only, written behind its name: `proxy:read:/orders/*`.
    """

    name: str
    roles: frozenset[str]
    description: str
    by_path: bool = False


def permission(name: str, description: str, *roles: str, by_path: bool = False) -> Permission:
    """Declare a permission held by `roles`."""
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValueError(f"permission {name}: unknown or missing roles {sorted(unknown)}")
    return Permission(name, frozenset(roles), description, by_path)


def right_of(name: str, known: Mapping[str, Permission]) -> Permission | None:
    """The permission that a name on a key stands for, a path behind it included."""
    base, path, _ = name.partition(_PATH)
    found = known.get(base)
    return found if found is not None and (not path or found.by_path) else None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a user of an issuer, a key, an operator who broke the glass, or the system itself."""

    kind: str
    subject: str
    issuer: str
    tenant_id: str
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    #: The session behind the call, where there is one, and the epoch second at which its person last proved who they
    #: are: what is dangerous asks for a fresh proof (SE-09). Keys, and tokens of an issuer, have no session here.
    session: str = ""
    proved_at: float = 0.0
    #: What is wanted before anything else, where the session lacks it (SE-11).
    second_factor: SecondFactor | None = None
    #: For a publishable key: the pages that may show it, and its own budget (AK-08).
    origins: frozenset[str] = frozenset()
    per_minute: int | None = None
    #: Whose rights these are, where another one acts by them: the maker of a key, the operator inside a tenant.
    on_behalf_of: str = ""

    @property
    def is_publishable(self) -> bool:
        """Whether everybody may know the credentials: they open embed routes only, to the pages of `origins`."""
        return self.kind == PUBLISHABLE

    @property
    def id(self) -> str:
        """One text per principal, for limits, idempotency and the audit log (security.md JT-09)."""
        return f"{self.kind}:{self.issuer}:{self.subject}"

    def may(self, wanted: Permission) -> bool:
        """Whether one of the roles, or the key's own list, holds the permission."""
        if wanted.name in self.permissions or not self.roles.isdisjoint(wanted.roles):
            return True
        return wanted.by_path and bool(self.paths(wanted))

    def paths(self, wanted: Permission) -> tuple[str, ...]:
        """The paths that this key's permission is for, `*` at their ends for all that follows; none for all paths."""
        if wanted.name in self.permissions or not self.roles.isdisjoint(wanted.roles):
            return ()
        named = f"{wanted.name}{_PATH}"
        return tuple(sorted(one[len(named) - 1 :] for one in self.permissions if one.startswith(named)))


def system(tenant_id: str, part: str) -> Principal:
    """The principal of work that no person started, such as a schedule."""
    return Principal("system", part, "isthmus", tenant_id)
