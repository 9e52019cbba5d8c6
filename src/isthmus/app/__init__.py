"""The composition root: the only place that knows every feature and every engine."""

from isthmus.app.beside import bulk_beside
from isthmus.app.features import FEATURES, SECTIONS
from isthmus.app.platform import Platform, offered_connectors, open_platform, upgrade_database
from isthmus.app.serve import address_of, api, serve_api, serve_metrics
from isthmus.app.work import Beside, Share, work_queue

__all__ = [
    "FEATURES",
    "SECTIONS",
    "Beside",
    "Platform",
    "Share",
    "address_of",
    "api",
    "bulk_beside",
    "offered_connectors",
    "open_platform",
    "serve_api",
    "serve_metrics",
    "upgrade_database",
    "work_queue",
]
