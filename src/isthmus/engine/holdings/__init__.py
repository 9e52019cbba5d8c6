"""How many bytes of records each tenant stores."""

from isthmus.engine.holdings.holdings import ADD_LISTINGS as ADD_LISTINGS
from isthmus.engine.holdings.holdings import HOLDINGS as HOLDINGS
from isthmus.engine.holdings.holdings import add as add
from isthmus.engine.holdings.holdings import count as count
from isthmus.engine.holdings.holdings import due as due
from isthmus.engine.holdings.holdings import forget as forget
from isthmus.engine.holdings.holdings import total as total
