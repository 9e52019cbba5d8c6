"""Who looks after providers."""

from isthmus.kit.permissions import SUPER_ADMIN, Permission, permission

MANAGE: Permission = permission(
    "providers:manage", "Make, change and remove providers, and set their apps.", SUPER_ADMIN
)
