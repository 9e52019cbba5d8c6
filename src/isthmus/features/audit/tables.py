"""The audit log has no table of its own: it adds to the event log the index that its pages are read by."""

from sqlalchemy import Index

from isthmus.engine.bus import EVENTS

AUDITED = Index("events_audited_idx", EVENTS.c.tenant_id, EVENTS.c.id, postgresql_where=EVENTS.c.audited)
