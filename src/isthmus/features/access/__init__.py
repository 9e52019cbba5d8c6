"""Tenants, and whether they are let in: the door of access."""

from isthmus.features.access.errors import SlugTaken, TenantNotFound
from isthmus.features.access.model import Tenant, TenantStatus
from isthmus.features.access.service import (
    TenantGuard,
    create_tenant,
    find_tenant,
    live_tenants,
    set_status,
    tenant,
    tenants,
)
from isthmus.features.access.settings import Settings

__all__ = [
    "Settings",
    "SlugTaken",
    "Tenant",
    "TenantGuard",
    "TenantNotFound",
    "TenantStatus",
    "create_tenant",
    "find_tenant",
    "live_tenants",
    "set_status",
    "tenant",
    "tenants",
]
