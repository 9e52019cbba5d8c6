"""What can be wrong with a search."""

from isthmus.kit.errors import Conflict, Invalid


class NothingAsked(Invalid):
    """The query holds no letter and no digit.

    Send at least one word.
    """

    code = "SEARCH_EMPTY"


class ResultsGone(Invalid):
    """These results are not kept any more.

    Search again without the cursor.
    """

    code = "SEARCH_EXPIRED"


class SearchDisabled(Conflict):
    """Search is switched off for this integration.

    Switch it on with `PATCH /api/tenant/integrations/{id}` and `{"searchEnabled": true}`.
    """

    code = "SEARCH_DISABLED"
