"""Use cases of sync runs: begin, carry on, stop, and look at them."""

from isthmus.features.sync.service.entities import ORDERS as ORDERS
from isthmus.features.sync.service.entities import PRODUCTS as PRODUCTS
from isthmus.features.sync.service.looking import Status as Status
from isthmus.features.sync.service.looking import errors as errors
from isthmus.features.sync.service.looking import news as news
from isthmus.features.sync.service.looking import run as run
from isthmus.features.sync.service.looking import runs as runs
from isthmus.features.sync.service.looking import status as status
from isthmus.features.sync.service.refreshing import REFRESH as REFRESH
from isthmus.features.sync.service.refreshing import read as read
from isthmus.features.sync.service.refreshing import refresh as refresh
from isthmus.features.sync.service.resuming import connected as connected
from isthmus.features.sync.service.resuming import disconnected as disconnected
from isthmus.features.sync.service.resuming import withdrawn as withdrawn
from isthmus.features.sync.service.sources import Shop as Shop
from isthmus.features.sync.service.sources import Source as Source
from isthmus.features.sync.service.sources import Sources as Sources
from isthmus.features.sync.service.starting import cancel as cancel
from isthmus.features.sync.service.starting import start as start
from isthmus.features.sync.service.starting import start_all as start_all
from isthmus.features.sync.service.tally import Tally as Tally
from isthmus.features.sync.service.waking import missing as missing
from isthmus.features.sync.service.waking import wake as wake
from isthmus.features.sync.service.working import JOB as JOB
from isthmus.features.sync.service.working import work as work
from isthmus.features.sync.store import RunFilter as RunFilter
