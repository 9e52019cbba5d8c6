"""Every statement of the audit log."""
