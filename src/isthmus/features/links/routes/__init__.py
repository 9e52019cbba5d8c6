"""The routes of links and of common stock."""

from isthmus.features.links.routes import inventory as inventory
from isthmus.features.links.routes import links as links
