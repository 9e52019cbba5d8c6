"""Use cases of the audit log: reading it, sealing it, and proving that nobody changed it."""
