"""How a connector writes listings: edits of single fields, each an absolute value, sent in the platform's own batches.

We keep what is wanted, send it once, and look before we ever send it again; a connector only translates.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from isthmus.connect.edits import OF_VARIANT as OF_VARIANT
from isthmus.connect.edits import Edit as Edit
from isthmus.connect.edits import EditField as EditField
from isthmus.connect.edits import EditValue as EditValue
from isthmus.connect.edits import Outcome as Outcome
from isthmus.connect.edits import Result as Result
from isthmus.connect.edits import Writing as Writing
from isthmus.connect.edits import as_shown as as_shown
from isthmus.connect.edits import edited as edited
from isthmus.connect.edits import value_of as value_of
from isthmus.connect.edits import variant_of as variant_of
from isthmus.connect.spi import Account, Session


@runtime_checkable
class Writes(Protocol):
    """A connector that writes listings; its manifest says which fields, in `[writing]`."""

    def batches(self, edits: Sequence[Edit], account: Account) -> Sequence[Sequence[Edit]]:
        """Part the edits into what one `write` takes at this account, within its limits (pure; marketplaces.md 9.4).

        Every edit is in exactly one batch. Edits that one call can carry together, such as price and stock of a SKU,
        are in one batch.
        """
        ...

    async def write(self, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """Send one batch by one writing call; one outcome for each edit, in any order.

        The request is made so that the client never sends it again once its bytes have left. Partial failure is said
        edit by edit. Raises client errors: then nothing is known of any edit of the batch but what the error says.
        """
        ...
