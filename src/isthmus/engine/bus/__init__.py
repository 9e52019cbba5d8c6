"""The committed event log: appended with its cause, read in commit order, delivered once to each listener."""

from isthmus.engine.bus.bus import BatchListener as BatchListener
from isthmus.engine.bus.bus import Bus as Bus
from isthmus.engine.bus.bus import Listener as Listener
from isthmus.engine.bus.bus import place_of as place_of
from isthmus.engine.bus.days import DAYS as DAYS
from isthmus.engine.bus.days import RETENTION as RETENTION
from isthmus.engine.bus.days import keep as keep
from isthmus.engine.bus.days import kept as kept
from isthmus.engine.bus.log import CHANNEL as CHANNEL
from isthmus.engine.bus.log import CURSORS as CURSORS
from isthmus.engine.bus.log import EVENTS as EVENTS
from isthmus.engine.bus.log import Envelope as Envelope
from isthmus.engine.bus.log import Place as Place
from isthmus.engine.bus.log import named as named
from isthmus.engine.bus.pruning import drop_missing as drop_missing
from isthmus.engine.bus.pruning import prune as prune
from isthmus.engine.bus.walls import Hides as Hides
from isthmus.engine.bus.walls import Walls as Walls
from isthmus.engine.bus.walls import hides as hides
from isthmus.engine.bus.walls import hides_of as hides_of
