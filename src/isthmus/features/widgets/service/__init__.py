"""What widgets ask for."""

from isthmus.features.widgets.service.data import Shown as Shown
from isthmus.features.widgets.service.data import Wanted as Wanted
from isthmus.features.widgets.service.data import data as data
from isthmus.features.widgets.service.shelf import Shelf as Shelf
from isthmus.features.widgets.service.telling import State as State
from isthmus.features.widgets.service.telling import activity as activity
from isthmus.features.widgets.service.telling import note as note
from isthmus.features.widgets.service.telling import status as status
from isthmus.features.widgets.service.telling import sweep as sweep
