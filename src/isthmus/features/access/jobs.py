"""The erasure of a tenant goes on in the workers."""

from isthmus.features.access.service.erasing import ERASE, erase

JOBS = {ERASE: erase}
