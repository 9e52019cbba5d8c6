"""Every statement of the canonical store."""

from isthmus.features.records.store.read import duplicate_skus as duplicate_skus
from isthmus.features.records.store.read import listing as listing
from isthmus.features.records.store.read import listings as listings
from isthmus.features.records.store.read import listings_of as listings_of
from isthmus.features.records.store.read import product as product
from isthmus.features.records.store.read import products as products
from isthmus.features.records.store.read import raw as raw
from isthmus.features.records.store.read import twins as twins
from isthmus.features.records.store.read import variants_of as variants_of
from isthmus.features.records.store.write import Change as Change
from isthmus.features.records.store.write import bodies as bodies
from isthmus.features.records.store.write import drop_variants as drop_variants
from isthmus.features.records.store.write import raw_hashes as raw_hashes
from isthmus.features.records.store.write import stored as stored
from isthmus.features.records.store.write import variant_ids as variant_ids
from isthmus.features.records.store.write import write as write
