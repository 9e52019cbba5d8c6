"""Orders and who bought, over HTTP."""

from isthmus.features.orders.routes.customers import customers as customers
from isthmus.features.orders.routes.orders import orders as orders
