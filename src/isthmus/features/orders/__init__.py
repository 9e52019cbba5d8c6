"""Orders as marketplaces show them, who bought, and what must be forgotten of them."""

from isthmus.features.orders.model import READ as READ
from isthmus.features.orders.model import OrderFilter as OrderFilter
from isthmus.features.orders.model import OrderItem as OrderItem
from isthmus.features.orders.model import item as item
from isthmus.features.orders.service import OrderDetail as OrderDetail
from isthmus.features.orders.service import erase as erase
from isthmus.features.orders.service import external_ids as external_ids
from isthmus.features.orders.service import forget as forget
from isthmus.features.orders.service import known_of as known_of
from isthmus.features.orders.service import known_raw as known_raw
from isthmus.features.orders.service import order as order
from isthmus.features.orders.service import order_of as order_of
from isthmus.features.orders.service import orders as orders
from isthmus.features.orders.service import redact as redact
from isthmus.features.orders.service import redact_at as redact_at
from isthmus.features.orders.service import write_orders as write_orders
from isthmus.features.orders.settings import Settings as Settings
from isthmus.features.orders.store.finding import orders_behind as orders_behind
from isthmus.features.orders.store.finding import orders_named as orders_named
from isthmus.features.orders.store.finding import orders_through as orders_through
