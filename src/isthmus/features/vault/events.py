"""Facts about keys; no key is ever part of one."""

from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeyRotated(Event):
    """Every data key is wrapped by a new master key."""

    type: ClassVar[str] = "vault.master_key_rotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeyExported(Event):
    """An operator had the master key written out, for a copy elsewhere."""

    type: ClassVar[str] = "vault.master_key_exported"


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeyLost(Event):
    """An operator gave up a lost master key; what was sealed under it cannot be read again."""

    type: ClassVar[str] = "vault.master_key_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyMade(Event):
    """A tenant has a new data key, for age, use or at an operator's wish."""

    type: ClassVar[str] = "vault.data_key_made"
    audited: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeysRotated(Event):
    """An operator gave every tenant a new data key."""

    type: ClassVar[str] = "vault.data_keys_rotated"
