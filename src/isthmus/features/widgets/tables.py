"""What happened to integrations, as their widgets show it."""

from sqlalchemy import Column, DateTime, Index, Text
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import tenant_table

_TIME = DateTime(timezone=True)

ACTIVITIES = tenant_table(
    "widget_activities",
    Column("id", Text, primary_key=True),
    Column("integration_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("at", _TIME, nullable=False),
    Column("details", JSONB, nullable=False),
    Index("widget_activities_of", "integration_id", "tenant_id", "at"),
    Index("widget_activities_at", "at"),
)
