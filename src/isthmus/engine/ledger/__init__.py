"""Idempotency keys: one effect per key for a day, reserved with the effect."""

from isthmus.engine.ledger.ledger import FAILURES as FAILURES
from isthmus.engine.ledger.ledger import KEPT_FOR as KEPT_FOR
from isthmus.engine.ledger.ledger import KEYS as KEYS
from isthmus.engine.ledger.ledger import KEYS_PER_TENANT as KEYS_PER_TENANT
from isthmus.engine.ledger.ledger import LARGEST_ANSWER as LARGEST_ANSWER
from isthmus.engine.ledger.ledger import Answer as Answer
from isthmus.engine.ledger.ledger import AnswerLost as AnswerLost
from isthmus.engine.ledger.ledger import Claim as Claim
from isthmus.engine.ledger.ledger import KeyInUse as KeyInUse
from isthmus.engine.ledger.ledger import KeyReused as KeyReused
from isthmus.engine.ledger.ledger import TooManyKeys as TooManyKeys
from isthmus.engine.ledger.ledger import claim as claim
from isthmus.engine.ledger.ledger import reserve as reserve
from isthmus.engine.ledger.ledger import settle as settle
from isthmus.engine.ledger.ledger import sweep as sweep
