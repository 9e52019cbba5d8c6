"""Use cases of actions on orders: ask for one, carry it out once, look at it, and decide what nobody can tell."""

from isthmus.features.fulfilment.service.asking import Asked as Asked
from isthmus.features.fulfilment.service.asking import Possible as Possible
from isthmus.features.fulfilment.service.asking import Refusal as Refusal
from isthmus.features.fulfilment.service.asking import possible as possible
from isthmus.features.fulfilment.service.asking import push as push
from isthmus.features.fulfilment.service.asking import push_many as push_many
from isthmus.features.fulfilment.service.deciding import cancel as cancel
from isthmus.features.fulfilment.service.deciding import connected as connected
from isthmus.features.fulfilment.service.deciding import disconnected as disconnected
from isthmus.features.fulfilment.service.deciding import dismiss as dismiss
from isthmus.features.fulfilment.service.deciding import retry as retry
from isthmus.features.fulfilment.service.far import Actors as Actors
from isthmus.features.fulfilment.service.far import Facts as Facts
from isthmus.features.fulfilment.service.far import Far as Far
from isthmus.features.fulfilment.service.looking import action as action
from isthmus.features.fulfilment.service.looking import actions as actions
from isthmus.features.fulfilment.service.waking import missing as missing
from isthmus.features.fulfilment.service.waking import prune as prune
from isthmus.features.fulfilment.service.waking import wake as wake
from isthmus.features.fulfilment.service.working import JOB as JOB
from isthmus.features.fulfilment.service.working import work as work
from isthmus.features.fulfilment.store import ActionFilter as ActionFilter
