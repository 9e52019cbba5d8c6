"""`python -m bench.serving.plain PORT DATABASE_URL KEY_FILE`: the list of integrations as a plain service has it.

FastAPI, SQLAlchemy over psycopg2, a token that is verified by joserfc, pydantic's models, uvicorn; in the peers' own
environment, which knows nothing of ours.
"""

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import MetaData, Table, create_engine, func, select
from sqlalchemy.orm import Session, sessionmaker

_PORT, _URL, _SECRET = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_text("utf-8").strip()
_KEY = OctKey.import_key(_SECRET)
_engine = create_engine(_URL.replace("postgresql://", "postgresql+psycopg2://"), pool_size=8)
_session = sessionmaker(_engine, expire_on_commit=False)
_known = MetaData()
integrations = Table("integrations", _known, autoload_with=_engine)
connections = Table("connections", _known, autoload_with=_engine)
app = FastAPI()


class Integration(BaseModel):
    """One row."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    id: str
    provider: str
    category: str
    name: str
    description: str
    icon: str | None
    settings: dict[str, Any]
    allowed_types: list[str]
    search_enabled: bool
    searchable: list[str]
    user_scoped: bool
    allowed_roles: list[str]
    allowed_users: list[str]
    proxy_enabled: bool
    status: str
    connection_id: str | None
    connection_status: str | None
    enabled_at: datetime | None
    enabled_by: str | None
    last_sync_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Page(BaseModel):
    """One page."""

    integrations: list[Integration]
    total: int
    limit: int
    offset: int


def _tenant(authorization: Annotated[str, Header()]) -> str:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), _KEY, algorithms=["HS256"]).claims
    except ValueError as error:
        raise HTTPException(401) from error
    return str(claims.get("tenantId"))


def _open() -> Iterator[Session]:
    with _session() as session:
        yield session


@app.get("/api/tenant/integrations")
def listed(
    tenant: Annotated[str, Depends(_tenant)],
    session: Annotated[Session, Depends(_open)],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: int = 0,
) -> Page:
    """A page of the tenant's integrations with their connections, and how many there are."""
    i, c = integrations.c, connections.c
    setting = func.set_config("role", "isthmus_tenant", True), func.set_config("isthmus.tenant", tenant, True)
    session.execute(select(*setting))
    query = (
        select(integrations, c.id.label("connection_id"), c.status.label("connection_status"))
        .outerjoin(connections, (c.tenant_id == i.tenant_id) & (c.integration_id == i.id))
        .where(i.tenant_id == tenant)
        .order_by(i.id.desc())
        .limit(limit)
        .offset(offset)
    )
    rows = session.execute(query).mappings().all()
    total = session.execute(select(func.count()).select_from(integrations).where(i.tenant_id == tenant)).scalar()
    return Page(integrations=[Integration(**row) for row in rows], total=total or 0, limit=limit, offset=offset)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=_PORT, log_level="warning", access_log=False)
