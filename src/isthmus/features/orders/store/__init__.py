"""Every statement over orders."""

from isthmus.features.orders.store.erasing import erase as erase
from isthmus.features.orders.store.erasing import erase_named as erase_named
from isthmus.features.orders.store.erasing import erase_orders_of as erase_orders_of
from isthmus.features.orders.store.erasing import forget as forget
from isthmus.features.orders.store.erasing import orders_of as orders_of
from isthmus.features.orders.store.erasing import outlived as outlived
from isthmus.features.orders.store.erasing import person as person
from isthmus.features.orders.store.erasing import redact_customers as redact_customers
from isthmus.features.orders.store.reading import customer as customer
from isthmus.features.orders.store.reading import external_ids as external_ids
from isthmus.features.orders.store.reading import lines_of as lines_of
from isthmus.features.orders.store.reading import order as order
from isthmus.features.orders.store.reading import orders as orders
from isthmus.features.orders.store.reading import shipments_of as shipments_of
from isthmus.features.orders.store.reading import whole_orders as whole_orders
from isthmus.features.orders.store.sealing import Columns as Columns
from isthmus.features.orders.store.sealing import sealed_page as sealed_page
from isthmus.features.orders.store.sealing import update_sealed as update_sealed
from isthmus.features.orders.store.writing import Buyer as Buyer
from isthmus.features.orders.store.writing import Change as Change
from isthmus.features.orders.store.writing import customers as customers
from isthmus.features.orders.store.writing import note_statuses as note_statuses
from isthmus.features.orders.store.writing import raw_hashes as raw_hashes
from isthmus.features.orders.store.writing import stored as stored
from isthmus.features.orders.store.writing import write as write
from isthmus.features.orders.store.writing import write_customers as write_customers
