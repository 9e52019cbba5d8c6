"""Search over everything that is connected: far sides that can search, and the synced records of the others."""

from isthmus.features.search.service.indexing import rebuild as rebuild
from isthmus.features.search.service.searching import Results as Results
from isthmus.features.search.service.searching import search as search
from isthmus.features.search.service.searching import search_one as search_one
from isthmus.features.search.settings import Settings as Settings
