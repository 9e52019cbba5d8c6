"""Access, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.access.events import TenantCreated, TenantStatusChanged
from isthmus.features.access.settings import Settings

FEATURE = Feature(name="access", emits=[TenantCreated, TenantStatusChanged], settings=Settings)
