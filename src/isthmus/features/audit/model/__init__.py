"""What the audit log shows, and how it is sealed, without I/O."""
