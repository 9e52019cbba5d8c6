"""PostgreSQL: an embedded server, migrations, and transactions that know their tenant."""

from isthmus.engine.db.connections import close_quietly as close_quietly
from isthmus.engine.db.connections import connect as connect
from isthmus.engine.db.database import SYSTEM_ROLE as SYSTEM_ROLE
from isthmus.engine.db.database import TENANT_ROLE as TENANT_ROLE
from isthmus.engine.db.database import Database as Database
from isthmus.engine.db.database import OnOpen as OnOpen
from isthmus.engine.db.database import Opening as Opening
from isthmus.engine.db.database import Tx as Tx
from isthmus.engine.db.embedded import EmbeddedPostgres as EmbeddedPostgres
from isthmus.engine.db.errors import DatabaseFull as DatabaseFull
from isthmus.engine.db.errors import DatabaseReadOnly as DatabaseReadOnly
from isthmus.engine.db.errors import DatabaseSlow as DatabaseSlow
from isthmus.engine.db.errors import DatabaseStartFailed as DatabaseStartFailed
from isthmus.engine.db.errors import DatabaseUnavailable as DatabaseUnavailable
from isthmus.engine.db.errors import DatabaseUnsuitable as DatabaseUnsuitable
from isthmus.engine.db.errors import DataDirectoryTaken as DataDirectoryTaken
from isthmus.engine.db.inspect import Inspection as Inspection
from isthmus.engine.db.inspect import inspect as inspect
from isthmus.engine.db.migrate import latest as latest
from isthmus.engine.db.migrate import migrate as migrate
from isthmus.engine.db.migrate import require as require
from isthmus.engine.db.statements import Statement as Statement
from isthmus.engine.db.statements import statement as statement
from isthmus.engine.db.tables import METADATA as METADATA
from isthmus.engine.db.tables import platform_table as platform_table
from isthmus.engine.db.tables import tenant_table as tenant_table
