"""Which processes run, so that they share what a tenant may have at a time."""

from isthmus.engine.presence.presence import PROCESSES as PROCESSES
from isthmus.engine.presence.presence import Counts as Counts
from isthmus.engine.presence.presence import Presence as Presence
