"""Tenants, their API keys, and whether they are let in: the door of access."""

from isthmus.features.access.errors import (
    DeploymentTenant,
    KeyExceedsCreator,
    KeyNotActive,
    KeyNotFound,
    MerchantNotFound,
    SlugTaken,
    TenantNotFound,
    TooManyKeys,
)
from isthmus.features.access.model.keys import ApiKey, KeyStatus, Mode
from isthmus.features.access.model.tenants import Tenant, TenantStatus
from isthmus.features.access.service.entering import KeyAuthenticator, LastUsed
from isthmus.features.access.service.keys import (
    Made,
    Rights,
    Wanted,
    create_key,
    key,
    keys,
    regrade,
    revoke_key,
    rotate_key,
)
from isthmus.features.access.service.tenants import (
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
    "ApiKey",
    "DeploymentTenant",
    "KeyAuthenticator",
    "KeyExceedsCreator",
    "KeyNotActive",
    "KeyNotFound",
    "KeyStatus",
    "LastUsed",
    "Made",
    "MerchantNotFound",
    "Mode",
    "Rights",
    "Settings",
    "SlugTaken",
    "Tenant",
    "TenantGuard",
    "TenantNotFound",
    "TenantStatus",
    "TooManyKeys",
    "Wanted",
    "create_key",
    "create_tenant",
    "find_tenant",
    "key",
    "keys",
    "live_tenants",
    "regrade",
    "revoke_key",
    "rotate_key",
    "set_status",
    "tenant",
    "tenants",
]
