"""Actions on orders at their marketplaces: asked for, done once, and looked after before anything is done twice."""

from isthmus.features.fulfilment.model import Item as Item
from isthmus.features.fulfilment.model import OrderAction as OrderAction
from isthmus.features.fulfilment.model import State as State
from isthmus.features.fulfilment.service import Actors as Actors
from isthmus.features.fulfilment.service import Asked as Asked
from isthmus.features.fulfilment.service import Facts as Facts
from isthmus.features.fulfilment.service import Far as Far
from isthmus.features.fulfilment.service import action as action
from isthmus.features.fulfilment.service import actions as actions
from isthmus.features.fulfilment.service import push as push
from isthmus.features.fulfilment.service import push_many as push_many
from isthmus.features.fulfilment.service import retry as retry
from isthmus.features.fulfilment.service import work as work
