"""The rooms of this product, in the order of the plan; one line here adds a feature."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from isthmus.feature import Feature
from isthmus.features.access.feature import FEATURE as ACCESS
from isthmus.features.audit.feature import FEATURE as AUDIT
from isthmus.features.catalog.feature import FEATURE as CATALOG
from isthmus.features.connections.feature import FEATURE as CONNECTIONS
from isthmus.features.fulfilment.feature import FEATURE as FULFILMENT
from isthmus.features.links.feature import FEATURE as LINKS
from isthmus.features.orders.feature import FEATURE as ORDERS
from isthmus.features.proxy.feature import FEATURE as PROXY
from isthmus.features.pushes.feature import FEATURE as PUSHES
from isthmus.features.records.feature import FEATURE as RECORDS
from isthmus.features.schedules.feature import FEATURE as SCHEDULES
from isthmus.features.search.feature import FEATURE as SEARCH
from isthmus.features.sync.feature import FEATURE as SYNC
from isthmus.features.uploads.feature import FEATURE as UPLOADS
from isthmus.features.vault.feature import FEATURE as VAULT
from isthmus.features.webhooks_in.feature import FEATURE as WEBHOOKS_IN
from isthmus.features.webhooks_out.feature import FEATURE as WEBHOOKS_OUT
from isthmus.features.widgets.feature import FEATURE as WIDGETS

FEATURES: Sequence[Feature] = (
    WIDGETS,
    SEARCH,
    WEBHOOKS_IN,
    LINKS,
    UPLOADS,
    SCHEDULES,
    PUSHES,
    FULFILMENT,
    SYNC,
    PROXY,
    CONNECTIONS,
    CATALOG,
    ORDERS,
    RECORDS,
    ACCESS,
    AUDIT,
    WEBHOOKS_OUT,
    VAULT,
)

#: The rooms' settings, by the section name that stands in the environment and in TOML.
SECTIONS: Mapping[str, type] = MappingProxyType(
    {feature.name: feature.settings for feature in FEATURES if feature.settings is not None}
)
