"""The routes of pushes and conflicts."""

from isthmus.features.pushes.routes import conflicts as conflicts
from isthmus.features.pushes.routes import pushes as pushes
