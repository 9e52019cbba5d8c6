"""What the statements over uploads have in common. Leases count by the database's clock, the one that all share."""

import asyncpg
from sqlalchemy import bindparam, cast, func, literal_column
from sqlalchemy.dialects.postgresql import INTERVAL

from isthmus.features.uploads.model.upload import COLUMNS, Phase, State, Upload, UploadMode
from isthmus.features.uploads.tables import UPLOADS

_u = UPLOADS.c
UPLOAD = tuple(_u[name] for name in COLUMNS)
NOW = func.clock_timestamp()
LEASE = NOW + cast(bindparam("lease"), INTERVAL)
FREE = (_u.lease_until.is_(None)) | (_u.lease_until < NOW)
OPEN = _u.state == func.any(literal_column("array['receiving', 'queued', 'running', 'cancelling']"))
TO_DO = _u.state == func.any(literal_column("array['queued', 'running', 'cancelling']"))
#: One upload of the tenant.
ONE = (_u.tenant_id == bindparam("tenant_id"), _u.id == bindparam("id"))
#: The upload as its present holder may change it.
MINE = (
    *ONE,
    _u.fence == bindparam("fence"),
    _u.state == func.any(literal_column("array['running', 'cancelling']")),
)


def as_upload(row: asyncpg.Record | None) -> Upload | None:
    """A row of `UPLOAD` as the upload it is."""
    if row is None:
        return None
    values = dict(row)
    values |= {"state": State(row["state"]), "mode": UploadMode(row["mode"]), "phase": Phase(row["phase"])}
    return Upload(**values)
