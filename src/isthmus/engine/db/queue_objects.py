"""The names and the making of pgqueuer's own objects: the migration makes them, the queue's adapter works on them."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pgqueuer.domain.settings import DBSettings

_NAMES: Final = {
    "prefix": "",
    "db_schema": "queue",
    "channel": "isthmus_queue",
    "function": "fn_pgqueuer_changed",
    "statistics_table": "pgqueuer_statistics",
    "queue_status_type": "pgqueuer_status",
    "queue_table": "pgqueuer",
    "queue_table_log": "pgqueuer_log",
    "trigger": "tg_pgqueuer_changed",
    "schedules_table": "pgqueuer_schedules",
}


def settings() -> "DBSettings":
    """The names, whatever pgqueuer's own environment variables say."""
    # The library takes a fifth of a second to import; only a process that works or migrates needs it.
    from pgqueuer.domain.settings import DBSettings  # noqa: PLC0415 - see above

    return DBSettings.model_validate(_NAMES)


def schema() -> str:
    """The statements that make the objects."""
    from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment  # noqa: PLC0415 - as above

    return QueryBuilderEnvironment(settings=settings()).build_install_query()
