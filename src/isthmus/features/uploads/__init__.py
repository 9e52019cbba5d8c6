"""Files and events of products: received, checked row by row, and written into the canonical store."""

from isthmus.features.uploads.errors import UploadNotFound as UploadNotFound
from isthmus.features.uploads.model.upload import State as State
from isthmus.features.uploads.model.upload import Upload as Upload
from isthmus.features.uploads.model.upload import UploadMode as UploadMode
from isthmus.features.uploads.routes.news import moved as moved
from isthmus.features.uploads.service.formats import Formats as Formats
from isthmus.features.uploads.service.managing import errors as errors
from isthmus.features.uploads.service.receiving import Wish as Wish
from isthmus.features.uploads.service.receiving import send as send
from isthmus.features.uploads.service.receiving import upload as upload
from isthmus.features.uploads.service.running import OWN as OWN
from isthmus.features.uploads.service.running import work as work
