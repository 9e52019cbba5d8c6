"""Who runs a command on this machine, as the audit log names them (security.md SA-05)."""

import getpass
import socket

from isthmus.app import Platform
from isthmus.kit.permissions import PLATFORM_TENANT, Principal
from isthmus.scope import Scope


def operator(tenant_id: str = PLATFORM_TENANT) -> Principal:
    """`operator:<host>:<user>`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return Principal("operator", user, socket.gethostname(), tenant_id)


def at_work(platform: Platform, tenant_id: str = PLATFORM_TENANT) -> Scope:
    """The operator's scope: of the deployment, or of one tenant."""
    return platform.scope(tenant_id, operator(tenant_id))
