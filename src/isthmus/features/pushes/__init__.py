"""Values on their way to marketplaces: wanted, sent once, looked at before any repeat, and conflicts decided."""

from isthmus.features.pushes.errors import NothingToPush as NothingToPush
from isthmus.features.pushes.errors import NotWritable as NotWritable
from isthmus.features.pushes.model.edits import ItemState as ItemState
from isthmus.features.pushes.model.edits import Place as Place
from isthmus.features.pushes.service.lines import Lines as Lines
from isthmus.features.pushes.service.lines import echoes as echoes
from isthmus.features.pushes.service.lines import sends as sends
from isthmus.features.pushes.service.shops import About as About
from isthmus.features.pushes.service.shops import Shop as Shop
from isthmus.features.pushes.service.shops import Shops as Shops
from isthmus.features.pushes.service.shops import about as about
from isthmus.features.pushes.service.wanting import Want as Want
from isthmus.features.pushes.service.wanting import note as note
from isthmus.features.pushes.service.wanting import want as want
from isthmus.features.pushes.store.edits import Live as Live
from isthmus.features.pushes.store.edits import Wish as Wish
from isthmus.features.pushes.store.edits import under_way as under_way
from isthmus.features.pushes.store.pushes import ended as ended
