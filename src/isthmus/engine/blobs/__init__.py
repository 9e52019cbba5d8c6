"""Large bytes outside the database: a local folder now, ready for object stores."""

from isthmus.engine.blobs.folder import FolderBlobs as FolderBlobs
from isthmus.engine.blobs.port import Blob as Blob
from isthmus.engine.blobs.port import BlobNotFound as BlobNotFound
from isthmus.engine.blobs.port import Blobs as Blobs
from isthmus.engine.blobs.port import BlobTooLarge as BlobTooLarge
