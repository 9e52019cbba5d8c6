"""Everything that search asks the database, and everything it keeps there."""
