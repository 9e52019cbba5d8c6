"""Every statement of access."""
