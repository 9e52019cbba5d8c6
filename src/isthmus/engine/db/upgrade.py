"""Lets alembic write the missing steps as one script, which asyncpg runs.

Steps therefore say what shall be, through `op`, and never look into the database.
"""

import io
import logging
from pathlib import Path


def script(folder: Path, done: str | None) -> str:
    """The statements that lead from the step `done` to the newest one."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells its own start-up, line by line
    # alembic takes a third of a second to import, and a current database does without it.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    written = io.StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, f"{done or 'base'}:head", sql=True)
    return written.getvalue()
