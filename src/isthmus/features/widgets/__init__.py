"""What widgets show of an integration: how it is, what happened to it, and its records."""

from isthmus.features.widgets.service import Shelf as Shelf
from isthmus.features.widgets.settings import Settings as Settings
