"""Roles and the permissions they hold; routes and keys speak in permissions only."""

from dataclasses import dataclass

SUPER_ADMIN = "super_admin"
TENANT_ADMIN = "tenant_admin"
USER = "user"
#: The deployment itself: owner of app registrations and of everything that no merchant owns.
PLATFORM_TENANT = "ten_platform"
ROLES = (SUPER_ADMIN, TENANT_ADMIN, USER)


@dataclass(frozen=True, slots=True)
class Permission:
    """A right with a name such as `products:read`, and the roles that hold it."""

    name: str
    roles: frozenset[str]
    description: str


def permission(name: str, description: str, *roles: str) -> Permission:
    """Declare a permission held by `roles`."""
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValueError(f"permission {name}: unknown or missing roles {sorted(unknown)}")
    return Permission(name, frozenset(roles), description)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a user of an issuer, a key, or the system itself."""

    kind: str
    subject: str
    issuer: str
    tenant_id: str
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """One text per principal, for limits, idempotency and the audit log (security.md JT-09)."""
        return f"{self.kind}:{self.issuer}:{self.subject}"

    def may(self, wanted: Permission) -> bool:
        """Whether one of the roles, or the key's own list, holds the permission."""
        return wanted.name in self.permissions or not self.roles.isdisjoint(wanted.roles)


def system(tenant_id: str, part: str) -> Principal:
    """The principal of work that no person started, such as a schedule."""
    return Principal("system", part, "isthmus", tenant_id)
