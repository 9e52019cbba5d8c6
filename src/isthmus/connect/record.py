"""The shape of records that have no shape of their own: contacts, tickets, invoices and whatever else there is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record by its mapped fields; `body` holds JSON values only, under the names that the mapping gives.

    `deleted` says that the far side no longer has it. The platform adds tenant and connection.
    """

    external_id: str
    title: str = ""
    url: str | None = None
    updated_at: datetime | None = None
    body: Mapping[str, Any] = msgspec.field(default_factory=dict)
    deleted: bool = False
    #: What it is a record of: the provider's entity, and the canonical type that this is mapped to.
    entity: str = ""
    shard_type: str = ""
