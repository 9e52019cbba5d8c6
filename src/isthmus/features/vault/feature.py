"""The vault, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.vault.events import (
    DataKeyMade,
    DataKeysRotated,
    MasterKeyExported,
    MasterKeyLost,
    MasterKeyRotated,
)
from isthmus.features.vault.jobs import RESEAL, reseal, unfinished
from isthmus.features.vault.settings import Settings

FEATURE = Feature(
    name="vault",
    jobs={RESEAL: reseal},
    emits=[DataKeyMade, DataKeysRotated, MasterKeyExported, MasterKeyLost, MasterKeyRotated],
    reconcile=[unfinished],
    settings=Settings,
)
