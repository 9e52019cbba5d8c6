"""Sync runs: durable, resumable, one at a time for each connection and entity."""

from isthmus.features.sync.errors import NotReadable as NotReadable
from isthmus.features.sync.errors import RunInProgress as RunInProgress
from isthmus.features.sync.model import Mode as Mode
from isthmus.features.sync.model import Run as Run
from isthmus.features.sync.model import State as State
from isthmus.features.sync.service import ORDERS as ORDERS
from isthmus.features.sync.service import PRODUCTS as PRODUCTS
from isthmus.features.sync.service import Calendar as Calendar
from isthmus.features.sync.service import RunFilter as RunFilter
from isthmus.features.sync.service import Shop as Shop
from isthmus.features.sync.service import Source as Source
from isthmus.features.sync.service import Sources as Sources
from isthmus.features.sync.service import cancel as cancel
from isthmus.features.sync.service import offered as offered
from isthmus.features.sync.service import refresh as refresh
from isthmus.features.sync.service import retry as retry
from isthmus.features.sync.service import run as run
from isthmus.features.sync.service import runs as runs
from isthmus.features.sync.service import start as start
from isthmus.features.sync.service import start_all as start_all
from isthmus.features.sync.service import work as work
from isthmus.features.sync.service.entities import Entity as Entity
from isthmus.features.sync.service.entities import Reader as Reader
from isthmus.features.sync.service.entities import entity as entity
from isthmus.features.sync.service.faults import fault_of as fault_of
from isthmus.features.sync.store import lock as lock
