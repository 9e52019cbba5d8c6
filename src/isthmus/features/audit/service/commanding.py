"""What an operator has done on the machine that no room tells of with a fact of its own (security.md SA-05)."""

from isthmus.features.audit.events import CommandRun
from isthmus.scope import Scope


async def note_command(scope: Scope, command: str, **details: str) -> None:
    """Keep that the operator runs this command, and on what; before it does anything."""
    async with scope.tx() as tx:
        tx.emit(CommandRun(subject=command, body=details))
