"""The canonical store: products, listings, variants, records of every other kind, and what changed."""

from isthmus.connect.keeping import Refused as Refused
from isthmus.connect.keeping import Written as Written
from isthmus.features.records.errors import Unstorable as Unstorable
from isthmus.features.records.model import Kind as Kind
from isthmus.features.records.model import ListingFilter as ListingFilter
from isthmus.features.records.model import ListingItem as ListingItem
from isthmus.features.records.model import RecordFilter as RecordFilter
from isthmus.features.records.model import RecordItem as RecordItem
from isthmus.features.records.model import item as item
from isthmus.features.records.model import raw_hash as raw_hash
from isthmus.features.records.model import record_item as record_item
from isthmus.features.records.model import revision as revision
from isthmus.features.records.service import entries as entries
from isthmus.features.records.service import entry as entry
from isthmus.features.records.service import known_raw as known_raw
from isthmus.features.records.service import listing as listing
from isthmus.features.records.service import listings as listings
from isthmus.features.records.service import product as product
from isthmus.features.records.service import products as products
from isthmus.features.records.service import write_listings as write_listings
from isthmus.features.records.service import write_records as write_records
from isthmus.features.records.store.changes import listings_behind as listings_behind
from isthmus.features.records.store.changes import listings_named as listings_named
from isthmus.features.records.store.changes import records_behind as records_behind
from isthmus.features.records.store.changes import records_named as records_named
