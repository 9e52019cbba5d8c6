"""Failures of sync runs."""

from isthmus.kit.errors import Conflict, NotFound, Problem


class RunNotFound(NotFound):
    """There is no such sync run.

    List the runs with `GET /api/sync/runs`; check whose token you send.
    """

    code = "SYNC_RUN_NOT_FOUND"


class RunInProgress(Conflict):
    """This connection is being synced already; `details.run` is the run that is under way.

    Wait for that run, or cancel it with `POST /api/sync/{runId}/cancel`.
    """

    code = "SYNC_IN_PROGRESS"

    def covers(self, mode: str) -> bool:
        """Whether the run under way reads what one of this mode would: changes alone are not everything."""
        live = self.details.get("run", {})
        return mode != "full" or (live.get("mode") == "full" and not live.get("dryRun"))


class RunEnded(Conflict):
    """The run has ended already; there is nothing left to cancel.

    Nothing has to be done; start a new run if one is wanted.
    """

    code = "SYNC_RUN_ENDED"


class NotReadable(Conflict):
    """This provider offers nothing of this kind to read.

    Look at `availableEntities` of the provider for what it offers.
    """

    code = "SYNC_NOT_SUPPORTED"


class NothingToRetry(Conflict):
    """The run has no records that failed, or it is still under way.

    Look at `GET /api/sync/runs/{runId}/errors`.
    """

    code = "SYNC_NOTHING_TO_RETRY"


class NotResumable(Conflict):
    """The run cannot go on: it ended well, is under way, or a newer one of the same records has taken its place.

    Look at its state; start a new run instead.
    """

    code = "SYNC_NOT_RESUMABLE"


class TooManyRuns(Problem):
    """Too many runs of this tenant are under way; wait until one has ended.

    Wait for a run to end, or raise `ISTHMUS_SYNC__LIVE_RUNS`.
    """

    code = "TOO_MANY_SYNC_RUNS"
    status = 429


class Endless(Exception):
    """The far side's pages lead nowhere: they repeat, go in circles or do not end (security.md SS-14)."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class Stale(Exception):
    """Another worker has taken the run; whatever this one still holds must not be written."""


class CancelWanted(Exception):
    """Somebody asked the run to stop."""
