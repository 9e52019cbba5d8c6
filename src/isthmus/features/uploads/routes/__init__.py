"""Uploads over HTTP."""

from isthmus.features.uploads.routes import configs, export, files, mappings

__all__ = ["configs", "export", "files", "mappings"]
