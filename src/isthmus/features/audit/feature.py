"""The audit log, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.audit.routes import READ, routes

FEATURE = Feature(name="audit", routes=[routes], permissions=[READ])
