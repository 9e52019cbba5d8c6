"""Use cases of orders: write what a platform sent, look at it, erase persons."""

from isthmus.features.orders.service.counting import COUNT as COUNT
from isthmus.features.orders.service.counting import count as count
from isthmus.features.orders.service.counting import wake_counts as wake_counts
from isthmus.features.orders.service.erasing import erase as erase
from isthmus.features.orders.service.erasing import forget as forget
from isthmus.features.orders.service.erasing import known_of as known_of
from isthmus.features.orders.service.erasing import redact as redact
from isthmus.features.orders.service.erasing import redact_at as redact_at
from isthmus.features.orders.service.exporting import Export as Export
from isthmus.features.orders.service.exporting import exported as exported
from isthmus.features.orders.service.looking import OrderDetail as OrderDetail
from isthmus.features.orders.service.looking import external_ids as external_ids
from isthmus.features.orders.service.looking import known_raw as known_raw
from isthmus.features.orders.service.looking import order as order
from isthmus.features.orders.service.looking import orders as orders
from isthmus.features.orders.service.persons import Forgotten as Forgotten
from isthmus.features.orders.service.persons import find_person as find_person
from isthmus.features.orders.service.persons import redact_person as redact_person
from isthmus.features.orders.service.sealing import reseal_customers as reseal_customers
from isthmus.features.orders.service.sealing import reseal_orders as reseal_orders
from isthmus.features.orders.service.sheets import order_of as order_of
from isthmus.features.orders.service.writing import write_orders as write_orders
from isthmus.features.orders.store import Held as Held
