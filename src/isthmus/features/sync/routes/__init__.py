"""Sync runs and what they no longer found, over HTTP."""

from isthmus.features.sync.routes import absent as absent
from isthmus.features.sync.routes import drift as drift
from isthmus.features.sync.routes import findings as findings
from isthmus.features.sync.routes.runs import READ as READ
from isthmus.features.sync.routes.runs import TRIGGER as TRIGGER
from isthmus.features.sync.routes.runs import routes as routes
