"""Lets alembic write the missing steps as one script, which asyncpg runs; imported only when there is something to do.

Steps therefore say what shall be, through `op`, and never look into the database.
"""

import io
from pathlib import Path

from alembic import command
from alembic.config import Config


def script(folder: Path, done: str | None) -> str:
    """The statements that lead from the step `done` to the newest one."""
    written = io.StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, f"{done or 'base'}:head", sql=True)
    return written.getvalue()
