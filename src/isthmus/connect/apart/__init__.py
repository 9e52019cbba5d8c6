"""Connectors of third parties in processes of their own, without network, files or keys (security.md PL-05)."""

from isthmus.connect.apart.cells import Cells as Cells
from isthmus.connect.apart.errors import Crashed as Crashed
from isthmus.connect.apart.errors import Endless as Endless
from isthmus.connect.apart.errors import Unready as Unready
from isthmus.connect.apart.errors import WallsMissing as WallsMissing
from isthmus.connect.apart.settings import Settings as Settings
