"""The knobs of uploads."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How large files may be, how they are worked off, and how long they are kept."""

    size: int = field(default=1_073_741_824, metadata={"help": "Most bytes of one file."})
    part: int = field(default=16_777_216, metadata={"help": "Most bytes of one part of a resumable upload."})
    open: int = field(default=20, metadata={"help": "Most uploads of one tenant that are received or worked off."})
    open_bytes: int = field(
        default=4_294_967_296, metadata={"help": "Most bytes that those uploads may hold together."}
    )
    page: int = field(default=500, metadata={"help": "Most products of one transaction."})
    errors: int = field(default=10_000, metadata={"help": "Most row errors that are kept of one upload."})
    currency: str = field(default="VND", metadata={"help": "The currency of prices where a file names none."})
    lease: timedelta = field(
        default=timedelta(seconds=30), metadata={"help": "A worker that is silent for so long loses its upload."}
    )
    stale: timedelta = field(
        default=timedelta(hours=24), metadata={"help": "An upload that receives nothing for so long is given up."}
    )
    keep: timedelta = field(
        default=timedelta(days=30), metadata={"help": "How long finished uploads and their errors are kept."}
    )
