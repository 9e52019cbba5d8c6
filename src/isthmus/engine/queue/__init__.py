"""Durable work: wake-ups in the transaction of their cause, and the reconciler that heals lost ones."""

from isthmus.engine.queue.pgqueuer import Pace as Pace
from isthmus.engine.queue.pgqueuer import PgQueue as PgQueue
from isthmus.engine.queue.port import Depth as Depth
from isthmus.engine.queue.port import Handler as Handler
from isthmus.engine.queue.port import Parked as Parked
from isthmus.engine.queue.port import Postponed as Postponed
from isthmus.engine.queue.port import Queue as Queue
from isthmus.engine.queue.port import Wake as Wake
from isthmus.engine.queue.port import addressed as addressed
from isthmus.engine.queue.reconciler import Look as Look
from isthmus.engine.queue.reconciler import Reconciler as Reconciler
