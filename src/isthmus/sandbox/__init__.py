"""Emulated marketplaces on loopback ports: strict as the platforms are, broken on demand, the same each time."""

from isthmus.sandbox.catalogue import CatalogueProduct, CatalogueUnreadable, CatalogueVariant, generate, read_csv
from isthmus.sandbox.clock import ShiftedClock
from isthmus.sandbox.consent import Ask, page, refusal, walk
from isthmus.sandbox.effects import Effect, Effects, EffectValue
from isthmus.sandbox.faults import KINDS, Fault, Faults
from isthmus.sandbox.ledger import Grant, Token
from isthmus.sandbox.model import App, Seller, Warehouse
from isthmus.sandbox.orders import Book, Bought, Buyer, Market, Placed
from isthmus.sandbox.recording import Record, Recording
from isthmus.sandbox.server import SandboxServer, discover
from isthmus.sandbox.shelf import Row, Shelf
from isthmus.sandbox.shop import Endpoint, Shop, World, endpoint
from isthmus.sandbox.throttle import Throttle
from isthmus.sandbox.wire import Call, Refusal, Reply, json_reply

__all__ = [
    "KINDS",
    "App",
    "Ask",
    "Book",
    "Bought",
    "Buyer",
    "Call",
    "CatalogueProduct",
    "CatalogueUnreadable",
    "CatalogueVariant",
    "Effect",
    "EffectValue",
    "Effects",
    "Endpoint",
    "Fault",
    "Faults",
    "Grant",
    "Market",
    "Placed",
    "Record",
    "Recording",
    "Refusal",
    "Reply",
    "Row",
    "SandboxServer",
    "Seller",
    "Shelf",
    "ShiftedClock",
    "Shop",
    "Throttle",
    "Token",
    "Warehouse",
    "World",
    "discover",
    "endpoint",
    "generate",
    "json_reply",
    "page",
    "read_csv",
    "refusal",
    "walk",
]
