"""Sealed secrets and the keys behind them: the door of the vault."""

from isthmus.features.vault.errors import KeyNotHeld, NotLost, RotationStuck, Unreadable, WrongMasterKey
from isthmus.features.vault.model import Status
from isthmus.features.vault.service.rotation import (
    Reseals,
    Rotated,
    check_canary,
    export_key,
    finish_reseals,
    rotate,
    start_over,
    status,
)
from isthmus.features.vault.service.safe import (
    Sealed,
    ToSeal,
    Vault,
    forget,
    open,  # noqa: A004 - read as vault.open
    open_many,
    reseal,
    seal,
    seal_many,
)
from isthmus.features.vault.settings import Settings

__all__ = [
    "KeyNotHeld",
    "NotLost",
    "Reseals",
    "Rotated",
    "RotationStuck",
    "Sealed",
    "Settings",
    "Status",
    "ToSeal",
    "Unreadable",
    "Vault",
    "WrongMasterKey",
    "check_canary",
    "export_key",
    "finish_reseals",
    "forget",
    "open",
    "open_many",
    "reseal",
    "rotate",
    "seal",
    "seal_many",
    "start_over",
    "status",
]
